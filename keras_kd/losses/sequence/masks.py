"""Which positions of a sequence count."""

from __future__ import annotations

from typing import Any

from keras import ops


def position_mask(mask: Any, positions: tuple) -> Any:
    """The mask as bools, or None.

    Args:
        mask: tensor `(batch, time)`, True where a position counts, or None.
        positions: the static shape that it must have.

    Raises:
        ValueError: where the shapes differ.
    """
    if mask is None:
        return None
    mask, positions = ops.convert_to_tensor(mask), tuple(positions)
    agree = len(mask.shape) == len(positions) and all(
        m is None or p is None or m == p
        for m, p in zip(mask.shape, positions, strict=True)
    )
    if not agree:
        raise ValueError(
            "`mask` must have one entry per position. Received: mask "
            f"{tuple(mask.shape)}, positions {positions}."
        )
    return ops.cast(mask, "bool")


def without_padding(x: Any, mask: Any) -> Any:
    """`x` with zeros where the mask is False: what stands there goes nowhere.

    Args:
        x: tensor `(batch, time, ...)`.
        mask: bool tensor `(batch, time)`, or None.
    """
    if mask is None:
        return x
    for _ in range(len(x.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, x, ops.zeros_like(x))
