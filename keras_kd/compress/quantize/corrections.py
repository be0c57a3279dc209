"""What the file rounds besides kernels and activations, and the graph therefore too.

Biases: whole numbers of the step of the product they are added to, the input's times
the kernel's. By itself that is a hundredth of the result's step; but a value that
stands on an edge falls to the other side, and each later layer makes more of it.

Factors: where one range is changed for another, at a concatenation and in a leaky
ReLU, LiteRT multiplies by a number of 8 binary places.

Both depend on the range before the operator. `source_of` finds it, and what stands
between, from the symbolic tensor that a range is first called with.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import activations, ops

from keras_kd.compress.quantize.affine import QuantizedAffine, scale_and_offset
from keras_kd.compress.quantize.composites import (
    QuantizedActivation,
    QuantizedSeparable,
)
from keras_kd.compress.quantize.fake_quant import NARROWEST
from keras_kd.compress.quantize.operators import FUSED, activation_of, kind_of
from keras_kd.compress.weights import TransformedWeights, core_of

TIE = 1e-3
"""Products with such a factor stand on halves; floats miss them by less than this."""


@dataclasses.dataclass(frozen=True)
class Product:
    """A product with a kernel, its bias, and the batch normalization after it.

    Args:
        layer: A `TransformedWeights`, a `QuantizedSeparable` or a `QuantizedAffine`.
        norm: The `BatchNormalization` that becomes part of it, or None.
        before: The range of its input.
    """

    layer: Any
    norm: Any
    before: Any

    def corrected(self, x: Any, step: Any) -> Any:
        """The result as if its bias were rounded."""
        if isinstance(self.layer, QuantizedAffine):
            scale, bias = scale_and_offset(self.layer.layer, x.shape[-1])
            largest = ops.abs(scale)
        else:
            largest, bias = self._kernel()
            if self.norm is not None:
                scale, offset = scale_and_offset(self.norm, x.shape[-1])
                largest, bias = largest * ops.abs(scale), bias * scale + offset
        width = step_of(self.before) * ops.maximum(largest, NARROWEST) / 127.0
        return x + (ops.round(bias / width) * width - bias)

    def _kernel(self) -> tuple[Any, Any]:
        """The largest weight of each output channel, and the bias."""
        layer = self.layer
        if isinstance(layer, QuantizedSeparable):
            layer = layer.layer
        kernel = layer.kernels(training=False)[-1][1]
        axes = layer.transforms[-1][-1].channel_axes
        others = [axis for axis in range(len(kernel.shape)) if axis not in axes]
        largest = ops.reshape(ops.max(ops.abs(kernel), axis=others), (-1,))
        core = layer.layer
        return largest, core.bias.value if core.use_bias else ops.zeros_like(largest)


@dataclasses.dataclass(frozen=True)
class Rescaled:
    """Values of one range in another, those below zero with a slope.

    Args:
        before: The range that they had.
        slope: Float. Defaults to `1.0`.
    """

    before: Any
    slope: float = 1.0

    def corrected(self, x: Any, step: Any) -> Any:
        """The values, multiplied by a rounded factor."""
        ratio = step_of(self.before) / step
        above, below = (
            ops.maximum(ops.round(256.0 * exact), 1.0) / (256.0 * exact)
            for exact in (ratio, ratio * self.slope)
        )
        return x * ops.where(x < 0.0, below, above) + TIE * step


@dataclasses.dataclass(frozen=True)
class Joined:
    """The parts of a concatenation.

    Args:
        parts: List of the above, or None for a part that stays as it is.
        sizes: List of integers, the parts' sizes.
        axis: Integer.
    """

    parts: list[Any]
    sizes: list[int]
    axis: int

    def corrected(self, x: Any, step: Any) -> Any:
        """The parts, each corrected."""
        places = [sum(self.sizes[: i + 1]) for i in range(len(self.sizes) - 1)]
        split = ops.split(x, places, axis=self.axis)
        return ops.concatenate(
            [
                part.corrected(value, step) if part else value
                for part, value in zip(self.parts, split, strict=True)
            ],
            axis=self.axis,
        )


def corrected(x: Any, part: Any, low: Any, high: Any) -> Any:
    """An operator's result with what else the file rounds, before it gets its range.

    Args:
        x: Float tensor.
        part: The range that it gets, whose `source` computed it.
        low: Scalar tensor.
        high: Scalar tensor. The bounds of the range.

    Returns:
        A tensor of the same shape, with the gradient of `x`.
    """
    if part.source is None:
        return x
    value = ops.stop_gradient(x)
    step = _step(low, high)
    return x + ops.stop_gradient(part.source.corrected(value, step) - value)


def source_of(tensor: Any) -> Any:
    """What computes a symbolic tensor that is about to get a range.

    Returns:
        A `Product`, `Rescaled`, `Joined`; None where nothing else is rounded.
    """
    operation, before = _came_from(tensor)
    if activation_of(operation) in FUSED and kind_of(operation) == "activation":
        operation, before = _came_from(before[0])
    if type(operation).__name__ == "Concatenate":
        parts = [_part(value) for value in before]
        axis = operation.axis
        sizes = [value.shape[axis] for value in before]
        return Joined(parts, sizes, axis) if any(parts) and None not in sizes else None
    if isinstance(operation, QuantizedActivation) and operation.layer is not None:
        # Its own range is called inside, where tensors no longer know their origin.
        operation.ranges[0].source = product_of(operation.layer, before[0])
    slope = _slope(operation)
    if slope is not None:
        found = _ranges(operation) or [range_of(before[0])]
        return Rescaled(found[0], slope) if found[0] is not None else None
    norm = None
    if isinstance(operation, keras.layers.BatchNormalization):
        norm, (operation, before) = operation, _came_from(before[0])
    return product_of(operation, before[0], norm) if before else None


def product_of(layer: Any, inputs: Any, norm: Any = None) -> Product | None:
    """The product that a layer computes of a symbolic tensor, if it is one."""
    known = (QuantizedAffine, QuantizedSeparable, TransformedWeights)
    if not isinstance(layer, known):
        return None
    if isinstance(layer, QuantizedSeparable):
        before = layer.ranges[0]
    else:
        before = range_of(inputs)
    return None if before is None else Product(layer, norm, before)


def range_of(tensor: Any) -> Any:
    """The range in which a symbolic tensor lies, or None."""
    operation, before = _came_from(tensor)
    while not hasattr(operation, "bounds"):
        if not before or kind_of(operation) != "same range":
            return None
        operation, before = _came_from(before[0])
    return operation


def step_of(part: Any) -> Any:
    """The width of a range's steps."""
    return _step(*part.bounds)


def _step(low: Any, high: Any) -> Any:
    return ops.maximum(high - low, NARROWEST) / 255.0


def _part(tensor: Any) -> Any:
    """What computes a part of a concatenation."""
    before = range_of(tensor)
    return source_of(tensor) if before is None else Rescaled(before)


def _came_from(tensor: Any) -> tuple[Any, list[Any]]:
    """The operation that a symbolic tensor is a result of, and what it took."""
    operation, index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[index].input_tensors


def _ranges(operation: Any) -> list[Any]:
    return operation.ranges if isinstance(operation, QuantizedActivation) else []


def _slope(operation: Any) -> float | None:
    """That of a leaky ReLU, None for all else."""
    if isinstance(operation, QuantizedActivation):
        leaky = operation.activation is activations.leaky_relu
        return 0.2 if leaky else None
    if activation_of(core_of(operation)) is not activations.leaky_relu:
        return None
    slope = getattr(operation, "negative_slope", 0.2)
    return float(slope)
