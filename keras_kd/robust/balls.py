"""The ways of measuring how far an attack has moved an input.

    "inf"   max_i |δ_i|          step = sign(g)      every pixel may move by ε
    "2"     √Σ_i δ_i²            step = g / ‖g‖₂     all pixels share ε

with g the gradient and δ the difference to the input as it was.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

NORMS = ("inf", "2")
PHILOX = "philox"
"""One algorithm on every device, where TensorFlow by itself takes different ones."""


def steepest(norm: str, gradient: Any) -> Any:
    """The step of length 1 along which a loss rises fastest; 0 where it is flat.

    Args:
        norm: of `NORMS`.
        gradient: tensor `(batch, ...)`.
    """
    if norm == "inf":
        return ops.sign(gradient)
    # Through its largest entry: squares of small gradients would be lost.
    gradient = _divided(gradient, _over_positions(ops.max, ops.abs(gradient)))
    return _divided(gradient, length(norm, gradient))


def projected(norm: str, delta: Any, epsilon: float) -> Any:
    """The nearest difference that is no longer than `epsilon`.

    Args:
        norm: of `NORMS`.
        delta: tensor `(batch, ...)`.
        epsilon: positive float.
    """
    if norm == "inf":
        return ops.clip(delta, -epsilon, epsilon)
    return delta * ops.minimum(1.0, _divided(epsilon, length(norm, delta)))


def drawn(norm: str, like: Any, epsilon: float, seed: Any) -> Any:
    """A difference drawn evenly from all that are no longer than `epsilon`.

    Args:
        norm: of `NORMS`.
        like: tensor `(batch, ...)` of floats.
        epsilon: positive float.
        seed: int tensor `(2,)`; the same gives the same.
    """
    shape, dtype = tf.shape(like), like.dtype
    if norm == "inf":
        return _uniform(shape, seed, dtype, -epsilon, epsilon)
    normal = tf.random.stateless_normal(shape, seed, dtype=dtype, alg=PHILOX)
    direction = steepest(norm, normal)
    first = tf.concat([shape[:1], tf.ones_like(shape[1:])], 0)
    share = _uniform(first, seed + tf.constant([0, 1], seed.dtype) * 2**20, dtype)
    return direction * epsilon * share ** (1.0 / math.prod(like.shape[1:]))


def length(norm: str, delta: Any) -> Any:
    """How far each example was moved, with axes of 1 for its positions."""
    if norm == "inf":
        return _over_positions(ops.max, ops.abs(delta))
    return ops.sqrt(_over_positions(ops.sum, ops.square(delta)))


def _uniform(shape, seed, dtype, low=0.0, high=1.0):
    return tf.random.stateless_uniform(shape, seed, low, high, dtype, alg=PHILOX)


def _over_positions(reduce, x):
    return reduce(x, axis=tuple(range(1, len(x.shape))), keepdims=True)


def _divided(x, by):
    """`x / by`, where a length of 0 leaves `x` as it is."""
    return x / ops.maximum(by, np.finfo(by.dtype.as_numpy_dtype).tiny)
