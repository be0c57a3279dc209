"""Rounding in training: what a kernel or an activation will be in the file.

    kernel:      ŵ = s · round(w / s),  s = max|w| / (2^(bits-1) - 1) per output channel
    activation:  x̂ = s · (clip(round(x / s) + z, 0, 255) - z)

Backwards both are the identity (an activation within its range only): the
straight-through estimator.

A kernel's largest weight of each channel lies on the grid's last step. So whoever
looks for the grid of ŵ by its largest weight finds s again, and rounding ŵ once more
changes nothing. This is why kernels need no mark in the converter's graph, and why
batch normalization may follow: it multiplies a whole output channel by one factor,
which the converter folds into the kernel, and s with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops

NARROWEST = 1e-6
"""Width of a range where all that was seen is zero."""


def steps_and_scale(kernel: Any, axes: Sequence[int], bits: int = 8) -> tuple[Any, Any]:
    """The whole numbers that stand for a kernel, and the width of their steps.

    Args:
        kernel: Float tensor.
        axes: The kernel's axes that belong to output channels.
        bits: Integer. Defaults to `8`.

    Returns:
        A pair of float tensors: whole numbers of the kernel's shape, and scales
        that broadcast against it.
    """
    others = [axis for axis in range(len(kernel.shape)) if axis not in axes]
    largest = ops.max(ops.abs(kernel), axis=others, keepdims=True)
    scale = ops.maximum(largest, NARROWEST) / (2 ** (bits - 1) - 1)
    return ops.round(kernel / scale), scale


def quantize_kernel(kernel: Any, axes: Sequence[int], bits: int = 8) -> Any:
    """A kernel rounded per output channel, symmetric around zero.

    Args:
        kernel: Float tensor.
        axes: The kernel's axes that belong to output channels.
        bits: Integer. Defaults to `8`.

    Returns:
        A tensor of the same shape, whose gradient is the kernel's.

    Example:

    ```python
    kernel = keras.ops.convert_to_tensor([[127.0, 0.4], [60.4, -0.1]])
    quantize_kernel(kernel, axes=[1])  # [[127, 0.4], [60, -0.10079]]
    ```

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", CVPR 2018,
        https://arxiv.org/abs/1712.05877
    """
    steps, scale = steps_and_scale(ops.stop_gradient(kernel), axes, bits)
    return kernel + ops.stop_gradient(steps * scale - kernel)


def quantize_range(x: Any, minimum: Any, maximum: Any) -> Any:
    """An activation rounded to 256 steps between two bounds.

    Args:
        x: Float tensor.
        minimum: Float or scalar tensor, not above 0.
        maximum: Float or scalar tensor, not below 0. Both are moved by less than a
            step so that 0 lies on the grid.

    Returns:
        A tensor of the same shape; its gradient is that of `x` within the bounds and
        0 outside.

    Example:

    ```python
    x = keras.ops.convert_to_tensor([0.0, 0.4, 300.0])
    quantize_range(x, 0.0, 255.0)  # [0, 0, 255]
    ```
    """
    maximum = ops.maximum(maximum, minimum + NARROWEST)
    return tf.quantization.fake_quant_with_min_max_vars(x, minimum, maximum)


def round_within(x: Any, minimum: Any, maximum: Any, ties: str) -> Any:
    """Averages of rounded activations, rounded again as LiteRT's integers are.

    Args:
        x: Float tensor, with values between those of a `quantize_range`.
        minimum: As it was given there.
        maximum: As it was given there.
        ties: `"away"` rounds halves away from the int8 zero, as average pooling
            does, `"up"` upwards, as bilinear interpolation does.

    Returns:
        A tensor of the same shape, with the gradient of `x`.

    Example:

    ```python
    x = keras.ops.convert_to_tensor([0.5, 200.5])  # int8: -127.5, 72.5
    round_within(x, 0.0, 255.0, "away")  # [0, 201]
    ```
    """
    maximum = ops.maximum(maximum, minimum + NARROWEST)
    scale = (maximum - minimum) / 255.0
    zero = ops.clip(ops.floor(0.5 - minimum / scale), 0.0, 255.0) - 128.0
    steps = ops.stop_gradient(x) / scale + zero
    # Sums in floats miss a half by less than this, and no other sum comes so near.
    half = 0.5 + 1e-3
    if ties == "away":
        rounded = ops.sign(steps) * ops.floor(ops.abs(steps) + half)
    else:
        rounded = ops.floor(steps + half)
    return x + ops.stop_gradient((rounded - zero) * scale - x)
