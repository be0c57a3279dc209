"""Tokens in relation heads: how they are split, related and compared."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.numerics import (
    at_least_float32,
    mean_over_positions,
    without_gradient,
)
from keras_kd.losses.sequence.masks import position_mask, without_padding


def sides(what: str, teacher: Any, student: Any, heads: int | None) -> tuple:
    """Both sides in float32 or wider, checked; no gradient into the teacher."""
    teacher, student = at_least_float32(teacher, student)
    relation_heads(what, teacher.shape, student.shape, heads)
    return without_gradient(teacher), student


def relation_heads(what: str, teacher: Any, student: Any, heads: int | None) -> int:
    """How many heads both sides are split into.

    Args:
        what: the name of the loss, for errors.
        teacher, student: static shapes `(batch, time, heads, dim)` or `(batch, time,
            width)`.
        heads: int, or None: the heads as they come, one where there are none.

    Raises:
        ValueError: where batch, time or the numbers of heads differ.
    """
    shapes = tuple(teacher), tuple(student)
    agree = all(len(shape) in (3, 4) for shape in shapes) and all(
        None in sizes or sizes[0] == sizes[1]
        for sizes in zip(shapes[0][:2], shapes[1][:2], strict=True)
    )
    if not agree:
        raise ValueError(
            f"{what} takes (batch, time, heads, dim) or (batch, time, width), of one "
            f"batch and time. Received: teacher {shapes[0]}, student {shapes[1]}."
        )
    counts = [_heads_of(shape, heads) for shape in shapes]
    if counts[0] != counts[1]:
        raise ValueError(
            f"{what} compares head by head: the teacher has {counts[0]} heads, "
            f"{shapes[0]}, and the student {counts[1]}, {shapes[1]}. Pass `heads=...` "
            "to split both into as many relation heads."
        )
    return counts[0]


def _heads_of(shape, heads):
    if heads is None:
        return shape[2] if len(shape) == 4 else 1
    width = math.prod(shape[2:])
    if width % heads:
        raise ValueError(
            f"`heads` must divide both widths. Received: heads={heads}, a width of "
            f"{width} in {shape}."
        )
    return heads


def divergence(teacher: Any, student: Any, heads: int | None, mask: Any) -> Any:
    """KL between the relations of two pairs, each from its first to its second.

    Args:
        teacher, student: pairs of tensors, as `sides` gives them.
        heads: int or None.
        mask: bool tensor `(batch, time)`, or None.

    Returns:
        Tensor `(batch,)`: the mean over the heads and the tokens that count.
    """
    mask = position_mask(mask, student[0].shape[:2])
    log_p, log_q = (
        _log_relation(
            _split(without_padding(start, mask), heads),
            _split(without_padding(end, mask), heads),
            mask,
        )
        for start, end in (teacher, student)
    )
    p = ops.exp(log_p)
    gaps = ops.where(p > 0, p * (log_p - log_q), ops.zeros_like(p))
    return mean_over_positions(ops.mean(ops.sum(gaps, axis=-1), axis=1), mask)


def _split(x, heads):
    """`(batch, heads, time, dim)`, whatever the heads were."""
    heads = _heads_of(tuple(x.shape), heads)
    width = math.prod(x.shape[2:]) // heads
    x = ops.reshape(x, (*ops.shape(x)[:2], heads, width))
    return ops.transpose(x, (0, 2, 1, 3))


def _log_relation(start, end, mask):
    """The logarithm of each token's relation to every token that counts."""
    scores = ops.matmul(start, ops.transpose(end, (0, 1, 3, 2)))
    scores = scores / math.sqrt(start.shape[-1])
    if mask is not None:
        scores = ops.where(mask[:, None, None, :], scores, -1e30)
    return ops.log_softmax(scores, axis=-1)
