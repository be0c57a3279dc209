"""What losses over feature maps share: their checks, and two maps at one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_kd.losses.numerics import at_least_float32, without_gradient
from keras_kd.pooling import adaptive_average


def check_maps(
    what: str, teacher: Sequence[Any], student: Sequence[Any], *, channels: bool
) -> None:
    """Refuse static shapes that are not maps of one batch.

    Args:
        what: the loss's name, for the error.
        teacher, student: shapes; None agrees with every size.
        channels: whether both must have as many channels.

    Raises:
        ValueError: with both shapes.
    """
    ranks = len(teacher) == len(student) == 4
    axes = (0, -1) if channels else (0,)
    if not ranks or not all(_agree(teacher[axis], student[axis]) for axis in axes):
        equal = " and as many channels" if channels else ""
        raise ValueError(
            f"{what} compares maps (batch, height, width, channels) of one batch"
            f"{equal}. Received: teacher {tuple(teacher)}, student {tuple(student)}."
        )


def comparable_maps(
    what: str, teacher: Any, student: Any, *, channels: bool = False
) -> tuple:
    """Both maps in float32, at one size, and no gradient into the teacher.

    Where the sizes differ, the larger map is pooled to the smaller one's height and
    width (adaptive average pooling, one axis at a time).

    Args:
        what: the function's name, for the error.
        teacher, student: tensors `(batch, height, width, channels)`.
        channels: whether both must have as many channels. Defaults to False.

    Returns:
        `(teacher, student)`.

    Raises:
        ValueError: where these are not maps of one batch.
    """
    teacher, student = at_least_float32(teacher, student)
    check_maps(what, teacher.shape, student.shape, channels=channels)
    return at_one_size(without_gradient(teacher), student)


def at_one_size(first: Any, second: Any) -> tuple:
    """Two maps, the larger one pooled to the smaller one's height and width."""
    sizes = tuple(first.shape[1:3]), tuple(second.shape[1:3])
    if None in sizes[0] + sizes[1]:
        return first, second  # equal sizes, or the operations that follow refuse them
    size = min(sizes[0][0], sizes[1][0]), min(sizes[0][1], sizes[1][1])
    return adaptive_average(first, size), adaptive_average(second, size)


def by_position(x: Any) -> Any:
    """Height and width, or any axes between, as one: `(batch, positions, channels)`."""
    return ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))


def _agree(one, other):
    return one is None or other is None or one == other
