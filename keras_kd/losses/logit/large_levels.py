"""All levels of multi-level distillation over very many classes, with one gradient.

Each level and temperature by itself would make a gradient of the logits' size, fifteen
of them before they are added up. Here they are added slice by slice of the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_kd.losses.logit.chunks import Slope, after, as_rows, with_slope
from keras_kd.losses.logit.large_relations import batch_gaps, class_gap
from keras_kd.losses.logit.softened import FORWARD, sliced


class Levels(NamedTuple):
    """The three levels of each row, as they are summed up elsewhere.

    Args:
        divergences: list of `KL(P ‖ Q)`, `(rows,)`, one per temperature.
        class_gaps: list of `‖PᵀP − QᵀQ‖²`, the same in each row.
        batch_gaps: list of `‖PPᵀ − QQᵀ‖²` row by row.
    """

    divergences: list[Any]
    class_gaps: list[Any]
    batch_gaps: list[Any]


def large_levels(
    teacher: Any,
    student: Any,
    kept: Any,
    temperatures: Sequence[Any],
    related: int,
    standardize: bool,
) -> Levels:
    """The levels at several temperatures, which no gradient reaches.

    Args:
        teacher, student: logits `(batch, ..., classes)`.
        kept: `(rows, 1)`, 1 where a row counts and 0 at padding.
        temperatures: scalar tensors.
        related: int. At how many of them, from the first, rows and classes are related.
        standardize: bool, for the divergences.
    """
    divergence = sliced(FORWARD, standardize, learned=False)
    parts = [(_without_rows(divergence), t) for t in temperatures]
    parts += [(_in_each_row(class_gap(False)), t) for t in temperatures[:related]]
    parts += [(batch_gaps(False), t) for t in temperatures[:related]]
    values = with_slope(
        _added([formula for formula, _ in parts]),
        as_rows(student),
        ops.stack([temperature for _, temperature in parts]),
        as_rows(teacher),
        kept,
    )
    columns = [values[:, number] for number in range(len(parts))]
    first, second = len(temperatures), len(temperatures) + related
    return Levels(columns[:first], columns[first:second], columns[second:])


def _added(formulas: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """Formulas for `with_slope`, each at its temperature: `(rows, formulas)`."""

    def together(student, temperatures, teacher, kept):
        values: list[Any] = []
        backwards: list[Any] = []
        for number, formula in enumerate(formulas):
            temperature = temperatures[number]
            if values:
                # One after the other: each has temporaries of its own.
                temperature = after(temperature, values[-1])
            value, of_this = formula(student, temperature, teacher, kept)
            values.append(value)
            backwards.append(of_this)

        def backward(upstream):
            slopes: list[Slope] = []
            for number, of_one in enumerate(backwards):
                column, before = upstream[:, number], slopes and slopes[-1].ready
                if before is not None and slopes:
                    column = after(column, before)
                slopes.append(of_one(column))

            def of_slice(*slices):
                return sum(slope.of_slice(*slices) for slope in slopes)

            return Slope(of_slice, (teacher, student))

        return ops.stack(values, axis=-1), backward

    return together


def _without_rows(formula):
    """A formula that does not ask which rows count."""
    return lambda student, temperature, teacher, kept: formula(
        student, temperature, teacher
    )


def _in_each_row(formula):
    """A formula of a scalar, as one that gives it to each row."""

    def rows(student, temperature, teacher, kept):
        value, backward = formula(student, temperature, teacher, kept)
        ones = ops.ones_like(kept[:, 0])
        return value * ones, lambda upstream: backward(ops.sum(upstream))

    return rows
