"""TFMOT's quantizer objects, called on tensors and variables of Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def moving_average(inputs: Any, minimum: Any, maximum: Any) -> Any:
    """`MovingAverageQuantizer`: moves the range towards this batch's, and rounds.

    Args:
        inputs: Float tensor.
        minimum: Scalar `keras.Variable`.
        maximum: Scalar `keras.Variable`.

    Returns:
        The rounded tensor.
    """
    return _rounded(_quantizer("MovingAverageQuantizer"), inputs, minimum, maximum)


def all_values(inputs: Any, minimum: Any, maximum: Any) -> Any:
    """`AllValuesQuantizer`: widens the range by this batch's, and rounds.

    Args:
        inputs: Float tensor.
        minimum: Scalar `keras.Variable`.
        maximum: Scalar `keras.Variable`.

    Returns:
        The rounded tensor.
    """
    return _rounded(_quantizer("AllValuesQuantizer"), inputs, minimum, maximum)


def last_value(
    kernel: Any, axes: Sequence[int], bits: int, minimum: Any, maximum: Any
) -> Any:
    """`LastValueQuantizer`: rounds a kernel in the range that it has now.

    It is always called as in training: in inference it would take the range of the
    last training step, before the optimizer changed the kernel.

    Args:
        kernel: Float tensor.
        axes: The kernel's axes that belong to output channels.
        bits: Integer.
        minimum: `keras.Variable` of shape `(channels,)`.
        maximum: `keras.Variable` of shape `(channels,)`.

    Returns:
        The rounded kernel.
    """
    rank = len(kernel.shape)
    order = [axis for axis in range(rank) if axis not in axes] + list(axes)
    back = sorted(range(rank), key=order.__getitem__)
    turned = tf.transpose(kernel, order)
    flat = tf.reshape(turned, (-1, minimum.shape[0]))
    quantizer = _quantizer("LastValueQuantizer", bits, weights=True)
    rounded = _rounded(quantizer, flat, minimum, maximum)
    return tf.transpose(tf.reshape(rounded, turned.shape), back)


def _rounded(quantizer: Any, inputs: Any, minimum: Any, maximum: Any) -> Any:
    """What a quantizer makes of a tensor, in training, with the range in variables."""
    return quantizer(inputs, True, {"min_var": minimum.value, "max_var": maximum.value})


def _quantizer(name: str, bits: int = 8, weights: bool = False) -> Any:
    """One of TFMOT's quantizers, for weights (per channel, symmetric) or not."""
    from keras_kd.compress.tfmot import load

    quantizers = load().quantization.keras.quantizers
    return getattr(quantizers, name)(
        num_bits=bits, per_axis=weights, symmetric=weights, narrow_range=weights
    )
