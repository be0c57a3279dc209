"""The kernels of a layer: the variables worth compressing, and their channels."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")
"""Names of the variables that a layer multiplies its input with."""

EMBEDDINGS = "embeddings"


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One kernel of a layer.

    Args:
        layer: The layer that owns it, the given one or one nested in it.
        variable: The `keras.Variable`.
        channel_axes: Tuple of axes, counted from zero, along which output channels
            lie; for an embedding its rows.
    """

    layer: Any
    variable: Any
    channel_axes: tuple[int, ...]


def kernels_of(layer: keras.layers.Layer) -> list[Kernel]:
    """The kernels of a built layer and of the layers nested in it.

    Args:
        layer: A built layer. Biases, normalization and position tables do not
            count as kernels.

    Returns:
        A list of `Kernel`, in the order of `layer.weights`.

    Example:

    ```python
    layer = keras.layers.Conv2D(8, 3)
    layer.build((None, 8, 8, 4))
    [kernel] = kernels_of(layer)
    kernel.variable.shape, kernel.channel_axes  # (3, 3, 4, 8), (3,)
    ```
    """
    owners: dict[int, Any] = {}
    for part in layer._flatten_layers():
        for variable in [*part._trainable_variables, *part._non_trainable_variables]:
            owners.setdefault(id(variable), part)
    return [
        Kernel(owner, variable, channel_axes(owner, variable))
        for variable in layer.weights
        if (owner := owners.get(id(variable))) is not None and _is_kernel(variable)
    ]


def channel_axes(layer: Any, variable: Any) -> tuple[int, ...]:
    """The axes of a kernel that belong to the layer's output channels."""
    rank = len(variable.shape)
    if variable.name == EMBEDDINGS:
        return (0,)
    if isinstance(layer, (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)):
        return (rank - 2,)
    if is_depthwise(layer, variable):
        return (rank - 2, rank - 1)
    if isinstance(layer, keras.layers.EinsumDense):
        inputs, kernel = layer.equation.split("->")[0].split(",")
        return tuple(i for i, axis in enumerate(kernel) if axis not in inputs)
    return (rank - 1,)


def is_depthwise(layer: Any, variable: Any) -> bool:
    """Whether a kernel holds a filter for each input channel by itself."""
    layers = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    return isinstance(layer, layers) or variable.name == "depthwise_kernel"


def _is_kernel(variable: Any) -> bool:
    return variable.name in (*KERNELS, EMBEDDINGS) and len(variable.shape) >= 2
