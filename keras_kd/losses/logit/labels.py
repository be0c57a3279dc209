"""The label's class among logits: for losses that treat it unlike the others."""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def class_numbers(what: str, labels: Any, logits: Any) -> Any:
    """Each position's class as an integer.

    Args:
        what: the loss's name, for the error.
        labels: class numbers, of the logits' shape without the classes or with a
            last axis of 1, or one-hot or soft labels of the logits' own shape,
            whose largest entry counts.
        logits: tensor `(batch, ..., classes)`.

    Returns:
        int32 tensor `(batch, ...)`. A number that is no class, such as the -100 of
        some datasets, belongs where a mask leaves the position out.

    Raises:
        ValueError: where the labels have another shape.
    """
    labels = ops.convert_to_tensor(labels)
    classes, rank = logits.shape[-1], len(logits.shape)
    known = labels.shape[: rank - 1], logits.shape[:-1]
    agree = all(x is None or y is None or x == y for x, y in zip(*known, strict=False))
    if agree and len(labels.shape) == rank and labels.shape[-1] in (1, classes):
        one = labels.shape[-1] == 1
        labels = ops.squeeze(labels, -1) if one else ops.argmax(labels, axis=-1)
    elif not agree or len(labels.shape) != rank - 1:
        raise ValueError(
            f"{what} takes one label per position: class numbers or one-hot labels. "
            f"Received: labels {tuple(labels.shape)}, logits {tuple(logits.shape)}."
        )
    return ops.cast(labels, "int32")


def label_probabilities(labels: Any, logits: Any) -> Any:
    """Labels in the form of logits: class numbers as one-hot, soft labels as they are.

    Args:
        labels: `(batch, ...)`, `(batch, ..., 1)` or `(batch, ..., classes)`.
        logits: tensor `(batch, ..., classes)`.
    """
    rank = len(logits.shape)
    if len(labels.shape) == rank and labels.shape[-1] == 1:
        labels = ops.squeeze(labels, axis=-1)
    if len(labels.shape) < rank:
        labels = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1])
    return ops.cast(labels, logits.dtype)


def is_class(numbers: Any, logits: Any) -> Any:
    """bool tensor of the logits' shape: True at each position's class."""
    classes = ops.arange(logits.shape[-1], dtype="int32")
    return ops.expand_dims(numbers, -1) == classes


def target_and_others(logits: Any, is_target: Any) -> tuple[Any, Any]:
    """The label's logit, and the logits with that one at minus infinity."""
    target = ops.sum(ops.where(is_target, logits, ops.zeros_like(logits)), axis=-1)
    return target, ops.where(is_target, ops.full_like(logits, -math.inf), logits)


def cross_entropy(logits: Any, is_target: Any) -> Any:
    """`−log softmax(z)_y`, from the gap to the other logits: exact where it is tiny."""
    target, others = target_and_others(logits, is_target)
    return ops.softplus(ops.logsumexp(others, axis=-1) - target)
