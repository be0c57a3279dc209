"""What the int8 converter makes of each Keras layer and operation.

weighted     product with a kernel, whose bias, batch normalization and ReLU
             become part of the same operator
affine       scale and offset per channel (`QuantizedAffine`)
arithmetic   computed with integers; the result gets a range, after a ReLU that
             becomes part of the operator
own range    computed with integers, never one with a ReLU
same range   moves, picks or interpolates values: the result keeps the range
activation   by table; softmax, sigmoid and tanh have prescribed ranges
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import activations, layers

from keras_kd.compress.rewrite import is_model
from keras_kd.compress.weights import core_of

WEIGHTED = (
    layers.Dense,
    layers.Conv1D,
    layers.Conv2D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.Conv2DTranspose,
    layers.SeparableConv2D,
)
AFFINE = (layers.BatchNormalization, layers.Normalization, layers.Rescaling)

ARITHMETIC = {"Add", "Subtract", "Multiply"}
MERGES = (layers.Add, layers.Multiply, layers.Average)
DIVISIONS = {"TrueDivide", "Divide"}
OWN_RANGE = {
    "Concatenate",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "Mean",
}
SAME_RANGE = {
    "ActivityRegularization",
    "AlphaDropout",
    "AveragePooling1D",
    "AveragePooling2D",
    "Cropping1D",
    "Cropping2D",
    "Dropout",
    "ExpandDims",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GetItem",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Identity",
    "MaxPooling1D",
    "MaxPooling2D",
    "Pad",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "Squeeze",
    "Transpose",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
}
"""Names of layers of Keras and of operations of `keras.ops`."""

FUSED = (activations.linear, activations.relu, activations.relu6)
"""Activations that become part of the operator before them."""

FIXED = {
    activations.sigmoid: (0.0, 255 / 256),
    activations.softmax: (0.0, 255 / 256),
    activations.hard_sigmoid: (0.0, 1.0),
    activations.tanh: (-1.0, 127 / 128),
}
"""Activations whose results have a range prescribed."""

ACTIVATIONS = (
    *FUSED,
    *FIXED,
    activations.silu,
    activations.hard_silu,
    activations.gelu,
    activations.leaky_relu,
)
"""Activations that LiteRT computes with integers."""

OPERATIONS = {
    "Relu": activations.relu,
    "Relu6": activations.relu6,
    "Sigmoid": activations.sigmoid,
    "Softmax": activations.softmax,
    "Tanh": activations.tanh,
    "Silu": activations.silu,
    "HardSilu": activations.hard_silu,
    "HardSigmoid": activations.hard_sigmoid,
    "Gelu": activations.gelu,
    "LeakyRelu": activations.leaky_relu,
    "LeakyReLU": activations.leaky_relu,
}


def kind_of(operation: Any) -> str | None:
    """Which of the kinds above a layer or operation is of.

    Args:
        operation: A layer, with transforms on its kernels or without, or an
            operation of `keras.ops`.

    Returns:
        `"weighted"`, `"affine"`, `"arithmetic"`, `"own range"`, `"same range"`,
        `"activation"`, `"model"`; None where int8 cannot be had.

    Example:

    ```python
    kind_of(keras.layers.Conv2D(4, 3))  # "weighted"
    kind_of(keras.layers.LayerNormalization()) is None  # True
    ```
    """
    layer = core_of(operation)
    name = type(layer).__name__
    if is_model(layer):
        return "model"
    if not type(layer).__module__.startswith("keras."):
        # Freezing batch normalization is ours; what else is not Keras's is unknown.
        return "affine" if isinstance(layer, layers.BatchNormalization) else None
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if isinstance(layer, WEIGHTED):
        return "weighted" if activation_of(layer) is not None else None
    if isinstance(layer, AFFINE):
        return "affine" if _per_channel(layer) else None
    if activation_of(layer) is not None:
        return "activation"
    if name in ARITHMETIC or isinstance(layer, layers.Average):
        return "arithmetic"
    if name in DIVISIONS:
        return "arithmetic" if _by_a_number(layer) else None
    if name in OWN_RANGE:
        return "own range"
    if name in SAME_RANGE or name.startswith("Random"):
        return "same range"
    return None


def activation_of(layer: Any) -> Any:
    """The activation that a layer or operation is, or ends with; None if none.

    A `ReLU` of a maximum other than 6, or with a threshold, is no activation that
    LiteRT computes with integers.
    """
    if isinstance(layer, layers.ReLU):
        if layer.threshold or layer.max_value not in (None, 6):
            return None
        if layer.negative_slope:
            return None if layer.max_value else activations.leaky_relu
        return activations.relu6 if layer.max_value else activations.relu
    if isinstance(layer, (layers.Activation, *WEIGHTED)):
        return layer.activation if layer.activation in ACTIVATIONS else None
    return OPERATIONS.get(type(layer).__name__)


def ties_of(operation: Any) -> str | None:
    """How an operation of the same range rounds the halves that it computes.

    Returns:
        `"away"`, `"up"`, or None for one that only moves values.
    """
    if type(operation).__name__.startswith("AveragePooling"):
        return "away"
    interpolation = getattr(operation, "interpolation", "nearest")
    return None if interpolation == "nearest" else "up"


def described(operation: Any) -> str:
    """A layer or operation for an error message: its name, class and activation."""
    layer = core_of(operation)
    details = type(layer).__name__
    activation = getattr(layer, "activation", None)
    if activation is not None and activation not in ACTIVATIONS:
        details += f" with {getattr(activation, '__name__', activation)}"
    if isinstance(layer, layers.ReLU):
        details += f" with max_value={layer.max_value}, threshold={layer.threshold}"
    return f"{operation.name!r} ({details})"


def _per_channel(layer: keras.layers.Layer) -> bool:
    """Whether scale and offset belong to the last axis, or are the same for all."""
    if isinstance(layer, layers.BatchNormalization):
        rank = layer.input_spec.ndim
        return layer.axis % rank == rank - 1
    if isinstance(layer, layers.Normalization):
        return all(size == 1 for size in layer._broadcast_shape[:-1])
    return np.ndim(layer.scale) <= 1 and np.ndim(layer.offset) <= 1


def _by_a_number(operation: Any) -> bool:
    """Whether a division is by numbers, and so a product: LiteRT divides floats."""
    return all(
        isinstance(node.arguments.args[0], keras.KerasTensor)
        and not isinstance(node.arguments.args[1], keras.KerasTensor)
        for node in operation._inbound_nodes
    )
