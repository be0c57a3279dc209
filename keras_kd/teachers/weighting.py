"""How much each of several teachers counts, example by example.

confidence    w_k ∝ max_c p_k,c
entropy       w_k ∝ exp(−H(p_k))
correctness   w_k = (1 − exp(CE_k) / Σ_j exp(CE_j)) / (K − 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_kd.losses.logit.labels import label_probabilities
from keras_kd.losses.numerics import mean_over_positions
from keras_kd.probabilities import entropy
from keras_kd.teachers.class_order import ClassOrder
from keras_kd.validation import several_classes


def entropies(logits: Sequence[Any]) -> Any:
    """`H(p_k)` in nats, of each teacher over its own classes, `(batch, teachers)`."""
    return _stacked(entropy, logits)


def confidences(logits: Sequence[Any], orders: Sequence[ClassOrder]) -> Any:
    """`max_c p_k,c` over the student's classes, `(batch, teachers)`."""

    def confidence(z, order):
        p = ops.exp(_log_p(z, order))
        return ops.max(ops.where(order.known, p, ops.zeros_like(p)), axis=-1)

    return _stacked(confidence, logits, orders)


def cross_entropies(
    logits: Sequence[Any], labels: Any, orders: Sequence[ClassOrder]
) -> tuple[Any, Any]:
    """`CE(p_k, y)`, and which teachers know the label's class.

    Args:
        logits: the teachers' logits in the student's classes, `(batch, ...,
            classes)` each.
        labels: one-hot or soft labels of that shape.
        orders: of the teachers' classes.

    Returns:
        `(values, knows)`, both `(batch, teachers)`.
    """
    values, knows = [], []
    for z, order in zip(logits, orders, strict=True):
        log_p = ops.where(order.known, _log_p(z, order), ops.zeros_like(z))
        known = ops.where(order.known, labels, ops.zeros_like(labels))
        inside = ops.sum(known, axis=-1)
        value = -ops.sum(known * log_p, axis=-1)
        value = ops.divide_no_nan(value, inside)  # of a soft label its known part
        values.append(mean_over_positions(value))
        knows.append(mean_over_positions(inside) > 0)
    return ops.stack(values, axis=-1), ops.stack(knows, axis=-1)


def correctness(values: Any, knows: Any) -> Any:
    """The weights of CA-MKD among the teachers that know the label's class.

    Args:
        values: the teachers' cross-entropies, `(batch, teachers)`.
        knows: bool tensor of the same shape; the others get 0. One alone gets 1, and
            where there is none, all get 0.
    """
    none = ops.full_like(values, -1e30)
    # The softmax of the teachers' losses; that of teachers who are out is 0.
    wrong = softmax(ops.where(knows, values, none))
    inside = ops.cast(knows, values.dtype)
    others = ops.sum(inside, axis=-1, keepdims=True) - 1.0
    share = ops.divide_no_nan((1.0 - wrong) * inside, others)
    return ops.where(others > 0, share, inside)


def all_but_worst(values: Any, drop: int, counted: Any) -> Any:
    """False at each example's `drop` greatest values; of equal ones the first goes.

    Args:
        values: `(batch, teachers)`.
        drop: int, how many go.
        counted: bool, of the same shape: only these are put in order and kept.
    """
    none = ops.convert_to_tensor(-np.inf, dtype=values.dtype)
    values = ops.where(counted, values, none)
    places = np.arange(values.shape[-1])
    one, other = values[..., :, None], values[..., None, :]
    tie = ops.logical_and(other == one, places[None, :] < places[:, None])
    worse = ops.sum(ops.cast(ops.logical_or(other > one, tie), "int32"), axis=-1)
    return ops.logical_and(worse >= drop, counted)


def softmax(x: Any) -> Any:
    """Over the teachers; of a single one it is 1, of which Keras's own warns."""
    return scaled_to_one(ops.exp(x - ops.max(x, axis=-1, keepdims=True)))


def scaled_to_one(weights: Any) -> Any:
    """Weights divided by their sum; all 0 where that is 0."""
    return ops.divide_no_nan(weights, ops.sum(weights, axis=-1, keepdims=True))


def as_probabilities(labels: Any, like: Any, what: str) -> Any:
    """Labels as numbers, one-hot or soft, in the form of logits.

    Args:
        labels: the batch's; of a student whose outputs share them any of the copies.
        like: logits `(batch, ..., classes)`.
        what: who asks, for the error.

    Raises:
        ValueError: where there are none, or those of several outputs.
    """
    if labels is None:
        raise ValueError(
            f"{what} needs labels, and the batch has none: pass `y`, or weights that "
            "do without, such as 'entropy'."
        )
    parts = keras.tree.flatten(labels)
    if any(part is not parts[0] for part in parts):
        raise ValueError(
            f"{what} needs the labels of one output. Received those of {len(parts)}."
        )
    labels = parts[0]
    several_classes(what, like.shape)
    return label_probabilities(labels, like)


def _log_p(logits, order):
    """Of a teacher with other classes they are logarithms of probabilities already."""
    return ops.log_softmax(logits, axis=-1) if order.renames else logits


def _stacked(measure, *of_each):
    """A measure of each teacher; of a sequence the mean over its positions."""
    values = []
    for own in zip(*of_each, strict=True):
        several_classes("The weighting of teachers", own[0].shape)
        values.append(mean_over_positions(measure(*own)))
    return ops.stack(values, axis=-1)
