"""What each kind of layer does with channels: the last axis of its input.

A rule is a function `(slots, layer, node, reads) -> makes`: from the channels of
the inputs to those of the output, or None where it cannot tell.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.compress.pruning.channels.slots import Slots

Rule = Callable[[Slots, Any, Any, list[np.ndarray]], "np.ndarray | None"]


def _layers(*names: str) -> set[type]:
    return {getattr(keras.layers, name) for name in names}


def _each(pattern: str) -> set[type]:
    return _layers(*(pattern.format(rank) for rank in (1, 2, 3)))


MAKERS = {
    *_each("Conv{}D"),
    *_each("Conv{}DTranspose"),
    *_layers("Dense", "SeparableConv1D", "SeparableConv2D", "Embedding"),
}
"""Layers that make channels of their own, whatever they read."""

DEPTHWISE = _layers("DepthwiseConv1D", "DepthwiseConv2D")
EACH_CHANNEL = {
    *_each("MaxPooling{}D"),
    *_each("AveragePooling{}D"),
    *_each("GlobalMaxPooling{}D"),
    *_each("GlobalAveragePooling{}D"),
    *_each("ZeroPadding{}D"),
    *_each("Cropping{}D"),
    *_each("UpSampling{}D"),
    *_each("SpatialDropout{}D"),
    *_layers("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Identity"),
    *_layers("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *_layers("ActivityRegularization", "BatchNormalization", "Rescaling"),
    *_layers("RepeatVector"),
}
"""Layers that treat each channel for itself."""

TOGETHER = _layers("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
ACTIVATIONS = set(
    "linear relu relu6 leaky_relu elu selu celu gelu silu swish mish sigmoid tanh "
    "hard_sigmoid hard_silu hard_swish hard_tanh softplus softsign exponential "
    "log_sigmoid tanh_shrink soft_shrink hard_shrink threshold squareplus".split()
)
"""Activation functions of one number."""

OPERATIONS = set(
    "Add Subtract Multiply Divide TrueDivide Maximum Minimum Power Absolute Abs "
    "Negative Square Sqrt Rsqrt Exp Clip Cast Relu Relu6 LeakyRelu Elu Selu Gelu Silu "
    "Sigmoid Tanh HardSigmoid HardSilu Softplus Softsign".split()
)
"""Operations of `keras.ops` on each number, or on two of the same place."""

REDUCTIONS = {"Mean", "Max", "Min", "Sum"}


def rule_for(operation: Any, node: Any) -> Rule | None:
    """The rule of a layer or operation, or None if it is not known."""
    kind = type(operation)
    if getattr(operation, "data_format", None) == "channels_first":
        return None
    if not isinstance(operation, keras.layers.Layer):
        return _rule_for_operation(operation)
    if getattr(operation, "lora_enabled", False) or getattr(
        operation, "quantization_mode", None
    ):
        return None
    if kind in MAKERS:
        return _rule_for_groups(operation)
    if kind in DEPTHWISE:
        return _multiply_channels
    if kind in EACH_CHANNEL:
        return _keep if _treats_each(operation) else None
    if kind in TOGETHER:
        return _together
    if kind is keras.layers.Concatenate:
        return _concatenate
    if kind in (keras.layers.Flatten, keras.layers.Reshape):
        return _reshape
    return None


def _rule_for_groups(layer: Any) -> Rule | None:
    """A convolution in groups is followed where each group is one channel."""
    groups = getattr(layer, "groups", 1)
    if groups == 1:
        return _make
    alone = groups == layer.filters == layer.input_spec.axes[-1]
    return _keep if alone and one_number(layer.activation) else None


def _rule_for_operation(operation: Any) -> Rule | None:
    name = type(operation).__name__
    if not type(operation).__module__.startswith("keras.src.ops"):
        return None
    if name in OPERATIONS:
        return _elementwise
    return _reduce if name in REDUCTIONS else None


def _make(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    makes = slots.new(int(node.outputs[0].shape[-1]))
    if not one_number(getattr(layer, "activation", None)):
        slots.fix(makes, f"the activation of {layer.name!r} mixes it")
    return makes


def _multiply_channels(
    slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]
) -> Any:
    if not one_number(layer.activation):
        return None
    return np.repeat(reads[0], layer.depth_multiplier)


def _keep(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    return reads[0]


def _together(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    widest = max(reads, key=len)
    for slot in reads:
        if len(slot) == 1 and len(widest) > 1:
            # One number for all channels: it may not go with any of them.
            slots.fix(slot, f"{layer.name!r} spreads it over all channels")
        elif len(slot) == len(widest):
            slots.unite(widest, slot)
        else:
            return None
    return widest


def _concatenate(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    rank = len(node.outputs[0].shape)
    if layer.axis % rank == rank - 1:
        return np.concatenate(reads)
    return _together(slots, layer, node, reads)


def _reshape(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    """The last axis stays, or takes in what stands before it, channel by channel."""
    before, after = len(reads[0]), node.outputs[0].shape[-1]
    if not before or after is None or after % before:
        return None
    return np.tile(reads[0], after // before)


def _elementwise(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    for value in keras.tree.flatten([node.arguments.args, node.arguments.kwargs]):
        tensor = isinstance(value, keras.KerasTensor)
        plain = value is None or isinstance(value, (numbers.Number, str, bool))
        if not tensor and not plain and np.size(value) != 1:
            return None
    return _together(slots, layer, node, reads)


def _reduce(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    rank = len(node.input_tensors[0].shape)
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if any(axis is None or axis % rank in (0, rank - 1) for axis in axes):
        return None
    return reads[0]


def _treats_each(layer: Any) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return one_number(layer.activation)
    if isinstance(layer, keras.layers.BatchNormalization):
        return layer.axis in (-1, layer.input_spec.ndim - 1)
    if isinstance(layer, keras.layers.Rescaling):
        return np.size(layer.scale) == 1 and np.size(layer.offset) == 1
    noise_shape = getattr(layer, "noise_shape", None)
    return noise_shape is None or noise_shape[-1] in (None, 1)


def one_number(activation: Any) -> bool:
    """Whether an activation is a function of each number for itself."""
    if activation is None:
        return True
    if isinstance(activation, keras.layers.Layer):
        return type(activation) in EACH_CHANNEL and not activation.weights
    name = getattr(activation, "__name__", "")
    return getattr(keras.activations, name, None) is activation and name in ACTIVATIONS
