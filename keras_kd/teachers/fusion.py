"""The outputs of several teachers as one.

    logits          z_c = Σ_k w_k z_k,c
    probabilities   z_c = log Σ_k w_k softmax(z_k)_c

Of classes that some teachers do not know, the mean is over those that do, and counts
as much as their weight of this example exceeds their fixed share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_kd.losses.numerics import at_least_float32
from keras_kd.teachers.class_order import ClassOrder

TINY = float(np.finfo("float32").tiny)
"""Logarithms are taken of no less, so that they stay finite."""
COMBINATIONS = ("logits", "probabilities", "losses")


def fused(
    combine: str,
    logits: Sequence[Any],
    weights: Any,
    shares: Sequence[float],
    orders: Sequence[ClassOrder],
) -> Any:
    """The output of an ensemble.

    Args:
        combine: `"probabilities"`; else logits are combined.
        logits: the teachers', in the student's classes.
        weights: tensor `(batch, teachers)`, or `(teachers,)`, of sum 1.
        shares: the teachers' fixed weights, of sum 1.
        orders: of the teachers' classes.

    Returns:
        Logits of the form of one teacher's.
    """
    logits = at_least_float32(*logits)
    weights = [_along(w, logits[0]) for w in ops.unstack(weights, len(logits), axis=-1)]
    if not all(order.renames for order in orders):
        return _over_those_that_know(combine, logits, weights, shares, orders)
    if combine == "probabilities":
        return _log(_sum(weights, [ops.softmax(z, axis=-1) for z in logits]))
    return _sum(weights, logits)


def _over_those_that_know(combine, logits, weights, shares, orders):
    usual = sum(share * o.known for share, o in zip(shares, orders, strict=True))
    usual = ops.convert_to_tensor(usual, dtype=logits[0].dtype)
    known = [ops.cast(order.known, logits[0].dtype) for order in orders]
    weights = [w * k for w, k in zip(weights, known, strict=True)]
    mass = sum(weights)
    log_p = []
    for z, order in zip(logits, orders, strict=True):
        # What is made from another order is in probabilities already.
        z = ops.log_softmax(z, axis=-1) if order.renames else z
        log_p.append(ops.where(order.known, z, ops.zeros_like(z)))
    if combine == "probabilities":
        p = _sum(weights, [ops.exp(x) for x in log_p])
        return _log(p / usual)
    mean = ops.divide_no_nan(_sum(weights, log_p), mass)
    return mean + _log(mass / usual)


def _log(p):
    return ops.log(ops.maximum(p, TINY))


def _along(weight, like):
    """A teacher's weight of each example, in the rank of its logits."""
    weight = ops.cast(weight, like.dtype)
    return ops.reshape(weight, (*ops.shape(weight), *[1] * (len(like.shape) - 1)))


def _sum(weights, tensors):
    return sum(w * x for w, x in zip(weights, tensors, strict=True))
