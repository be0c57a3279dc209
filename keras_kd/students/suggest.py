"""How small a student has to be: the width and depth that a budget allows."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_kd.compress.pruning.channels.narrow import narrow_shape
from keras_kd.compress.pruning.channels.surgery import Ranking, staying
from keras_kd.students.blocks import repeatable_blocks
from keras_kd.students.cost import Cost, cost, cost_of
from keras_kd.students.slim import portion, refuse_teacher, traced
from keras_kd.validation import positive, positive_int

STEPS = 40
"""Widths that are tried: 1/40, 2/40, …, 1."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a student may cost; what is not given may be anything.

    Args:
        parameters: The most weights. Defaults to `None`.
        macs: The most multiply-accumulates of one example. Defaults to `None`.
        bytes: The most bytes of weights, in the teacher's dtypes. Defaults to `None`.

    Raises:
        ValueError: If none is given, or one is not positive.

    Example:

    ```python
    Budget(parameters=100_000, macs=20e6)
    ```
    """

    parameters: float | None = None
    macs: float | None = None
    bytes: float | None = None

    def __post_init__(self) -> None:
        for name, limit in self.limits().items():
            positive(name, limit)
        if not self.limits():
            raise ValueError(
                "Budget needs at least one of parameters, macs and bytes. "
                "Received none."
            )

    def limits(self) -> dict[str, float]:
        """What is limited, by name."""
        values = {name.name: getattr(self, name.name) for name in _FIELDS}
        return {name: limit for name, limit in values.items() if limit is not None}

    def holds(self, cost: Cost) -> bool:
        """Whether a cost is within the budget."""
        return all(getattr(cost, name) <= most for name, most in self.limits().items())

    def __str__(self) -> str:
        return " and ".join(
            f"{most:,.0f} {name}" for name, most in self.limits().items()
        )


_FIELDS = dataclasses.fields(Budget)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A student that a budget allows: `slim(teacher, width, depth)` builds it.

    Args:
        width: Float, as `slim` takes it.
        depth: Float, as `slim` takes it.
        cost: The `Cost` that the student has.
    """

    width: float
    depth: float
    cost: Cost


class Suggestions(list[Suggestion]):
    """What `suggest` found, the best first; printed, it is a table.

    Args:
        found: List of `Suggestion`.
        title: String, the line above the table.
        teacher: The teacher's `Cost`, for the last line.
    """

    def __init__(self, found: Iterable[Suggestion], title: str, teacher: Cost) -> None:
        super().__init__(found)
        self.title = title
        self.teacher = teacher

    @property
    def best(self) -> Suggestion:
        """The first."""
        return self[0]

    def __str__(self) -> str:
        rows = [Suggestion(1.0, 1.0, self.teacher), *self]
        lines = [self.title, _row("", "width", "depth", "parameters", "MACs", "bytes")]
        for i, one in enumerate(rows):
            macs = "unknown" if one.cost.macs is None else f"{one.cost.macs:,}"
            label = "teacher" if i == 0 else ("best" if i == 1 else "")
            sizes = f"{one.cost.parameters:,}", macs, f"{one.cost.bytes:,}"
            lines.append(_row(label, f"{one.width:.3f}", f"{one.depth:.2f}", *sizes))
        return "\n".join(lines)


def suggest(
    teacher: keras.Model,
    budget: Budget,
    depths: Iterable[float] = (1.0, 0.75, 0.5, 0.25),
    divisible_by: int = 1,
) -> Suggestions:
    """Find students within a budget: for each depth the widest.

    Costs are counted from the teacher's layers and are those of the students that
    `slim` builds; nothing is built. Widths are multiples of 1/40. The best is the one
    that keeps most of the teacher: the largest product of its parameters and its
    multiply-accumulates. Which of them learns best only training tells.

    Args:
        teacher: A built functional or Sequential model.
        budget: A `Budget`.
        depths: The depths to try. Depths at which the same blocks stay, and those
            that the teacher has no blocks for, are left out. Defaults to
            `(1.0, 0.75, 0.5, 0.25)`.
        divisible_by: Integer, as `slim` takes it. Defaults to 1.

    Returns:
        A `Suggestions`, a list of `Suggestion` with `best`, the best first.

    Raises:
        TypeError: If `teacher` is no `keras.Model` or `budget` no `Budget`.
        ValueError: If `teacher` is subclassed, or no student is within the budget;
            the sentence names the smallest.

    Example:

    ```python
    from keras_kd import students

    found = students.suggest(teacher, students.Budget(parameters=200))
    print(found)  # a table
    student = students.slim(teacher, found.best.width, found.best.depth)
    ```
    """
    if not isinstance(budget, Budget):
        raise TypeError(f"`budget` must be a Budget. Received: budget={budget!r}.")
    refuse_teacher(teacher)
    positive_int("divisible_by", divisible_by)
    blocks = len(repeatable_blocks(teacher))
    by_count = {
        math.ceil(round(portion("depths", depth) * blocks, 6)): depth
        for depth in sorted(depths)
        if blocks or depth == 1.0
    }
    if not by_count:
        raise ValueError(
            f"`depths` needs 1.0, since {teacher.name!r} has no blocks to leave out. "
            f"Received: depths={depths!r}."
        )
    whole = cost_of(teacher)
    if "macs" in budget.limits() and whole.macs is None:
        raise ValueError(
            f"`budget` has macs, and {teacher.name!r} takes inputs of any size: give "
            "it an Input of a fixed size, or limit parameters or bytes."
        )
    found: list[Suggestion] = []
    smallest: list[Suggestion] = []
    for depth in by_count.values():
        ranking = Ranking(traced(teacher, depth))
        cost_at = functools.cache(
            functools.partial(_cost_at, teacher, ranking, divisible_by)
        )
        step = _widest(cost_at, budget)
        one = Suggestion((step or 1) / STEPS, depth, cost_at(step or 1))
        (found if step else smallest).append(one)
    if not found:
        least = min(smallest, key=lambda one: _size(one.cost))
        raise ValueError(
            f"`budget` of {budget} is less than any student of {teacher.name!r} "
            f"needs: the smallest, at width={least.width} and depth={least.depth}, has "
            f"{least.cost}."
        )
    found.sort(key=lambda one: _size(one.cost), reverse=True)
    return Suggestions(found, f"Students of {teacher.name!r} within {budget}", whole)


def _widest(cost_at: Callable[[int], Cost], budget: Budget) -> int:
    """The most steps of width within a budget, or 0."""
    low, high = 0, STEPS + 1
    while high - low > 1:
        middle = (low + high) // 2
        if budget.holds(cost_at(middle)):
            low = middle
        else:
            high = middle
    return low


def _cost_at(teacher: Any, ranking: Ranking, divisible_by: int, step: int) -> Cost:
    """The cost of the student of a width."""
    trace = ranking.trace
    gone = ranking.least(1.0 - step / STEPS, divisible_by=divisible_by)
    stays = staying(trace, gone)
    kept = {
        name: (stays(use.reads), stays(use.makes)) for name, use in trace.uses.items()
    }

    def shape_of(layer: Any, variable: Any) -> tuple[int, ...]:
        if id(layer) not in kept:
            return tuple(variable.shape)
        return narrow_shape(layer, variable, *kept[id(layer)])

    return cost(teacher, shape_of, trace.instead)


def _size(cost: Cost) -> int:
    return cost.parameters * max(cost.macs or 1, 1)


def _row(*cells: str) -> str:
    widths = (7, 6, 6, 14, 16, 14)
    return "".join(f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=True))
