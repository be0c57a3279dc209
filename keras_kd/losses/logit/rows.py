"""Every position of a batch as one row: for losses that relate predictions."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.numerics import checked_mask


def counting(logits: Any, mask: Any = None) -> Any:
    """Which rows count: `(rows, 1)` in the logits' dtype, 1, or 0 at padding.

    Args:
        logits: tensor `(batch, ..., classes)`.
        mask: bool tensor of that shape without the classes, or None.
    """
    kept = ops.ones(ops.shape(logits)[:-1], logits.dtype)
    if mask is not None:
        kept = ops.cast(checked_mask(mask, logits.shape[:-1]), logits.dtype)
    return ops.reshape(kept, (-1, 1))


def probabilities(logits: Any, temperature: Any, kept: Any) -> Any:
    """`softmax(z / T)` as `(rows, classes)`, all zero in rows that do not count."""
    rows = ops.reshape(logits, (-1, logits.shape[-1]))
    there = kept > 0
    # Whatever stands at padding is out before anything is computed of it.
    rows = ops.where(there, rows, ops.zeros_like(rows))
    return ops.softmax(rows / temperature, axis=-1) * kept


def centred_over_rows(p: Any, kept: Any) -> Any:
    """Each class without its mean over the rows that count."""
    mean = ops.divide_no_nan(ops.sum(p, axis=0, keepdims=True), ops.sum(kept))
    return p - kept * mean


def sum_of_each_example(values: Any, logits: Any) -> Any:
    """A value per row, summed over the rows of each example: `(batch,)`."""
    return ops.sum(ops.reshape(values, (ops.shape(logits)[0], -1)), axis=-1)


def fewer_rows_than_classes(logits: Any) -> bool:
    """Whether rows × rows is the smaller matrix, as far as is known beforehand."""
    rows = 1024 if None in logits.shape[:-1] else math.prod(logits.shape[:-1])
    return rows < logits.shape[-1]
