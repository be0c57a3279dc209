"""A layer built anew with fewer channels: its configuration and its weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_kd.compress.pruning.channels.rules import DEPTHWISE, MAKERS
from keras_kd.compress.weights import copy_weights

TRANSPOSED = tuple(getattr(keras.layers, f"Conv{rank}DTranspose") for rank in (1, 2, 3))


def narrow_config(layer: Any, makes: np.ndarray) -> dict[str, Any]:
    """The configuration of a layer that makes only some of its channels.

    Args:
        layer: A layer that has a rule.
        makes: Boolean array, which of its output channels stay.
    """
    config = layer.get_config()
    count = int(makes.sum())
    for name in ("units", "filters", "output_dim"):
        if type(layer) in MAKERS and name in config:
            config[name] = count
    if config.get("groups", 1) > 1:
        if type(layer) in MAKERS:
            config["groups"] = count
        else:
            # The most groups of equal size.
            config["groups"] = max(
                g for g in range(1, config["groups"] + 1) if count % g == 0
            )
    if "projection_dim" in config and is_layer_scale(layer):
        config["projection_dim"] = count
    if isinstance(layer, keras.layers.Reshape) and config["target_shape"][-1] != -1:
        config["target_shape"] = (*config["target_shape"][:-1], count)
    return config


def narrow_weights(layer: Any, new: Any, reads: np.ndarray, makes: np.ndarray) -> None:
    """Give a narrower layer what stays of the weights of a layer.

    Args:
        layer: A built layer that has a rule.
        new: The built layer made by `narrow_config`.
        reads: Boolean array, which of its input channels stay.
        makes: Boolean array, which of its output channels stay.
    """
    if not layer.weights:
        copy_weights(layer, new)
        return
    for old, variable in zip(layer.weights, new.weights, strict=True):
        value = keras.ops.convert_to_numpy(old)
        for axis, keep in _cuts(layer, old, reads, makes):
            if old.shape[axis] == len(keep):
                value = np.compress(keep, value, axis)
        variable.assign(value)


def narrow_shape(
    layer: Any, variable: Any, reads: np.ndarray, makes: np.ndarray
) -> tuple[int, ...]:
    """The shape that a weight has in the narrower layer, as `narrow_weights` cuts it.

    Args:
        layer: A built layer that has a rule.
        variable: One of its weights.
        reads: Boolean array, which of its input channels stay.
        makes: Boolean array, which of its output channels stay.
    """
    shape = [int(size) for size in variable.shape]
    for axis, keep in _cuts(layer, variable, reads, makes):
        if variable.shape[axis] == len(keep):
            shape[axis] = int(keep.sum())
    return tuple(shape)


def channel_norms(layer: Any) -> np.ndarray | None:
    """The norm of the weights that make each output channel, 1 on average."""
    if type(layer) not in MAKERS:
        return None
    names = ("pointwise_kernel", "embeddings", "kernel")
    kernel = next(variable for variable in layer.weights if variable.name in names)
    value = keras.ops.convert_to_numpy(kernel).astype("float64")
    axis = value.ndim - (2 if isinstance(layer, TRANSPOSED) else 1)
    others = tuple(i for i in range(value.ndim) if i != axis)
    norms = np.sqrt(np.square(value).sum(others))
    return norms / max(norms.mean(), 1e-12)


def is_layer_scale(layer: Any) -> bool:
    """Whether it is the factor for each channel of `keras.applications.ConvNeXt`."""
    kind = type(layer)
    return kind.__name__ == "LayerScale" and "convnext" in kind.__module__


def _cuts(
    layer: Any, variable: Any, reads: np.ndarray, makes: np.ndarray
) -> list[tuple[int, np.ndarray]]:
    """Pairs of an axis of a variable and what stays along it."""
    name, rank = variable.name, len(variable.shape)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        if variable.path.split("/")[-2] == "attention_output":
            return [(rank - 1, makes)]
        return [(0, reads)] if name == "kernel" else []
    if name == "depthwise_kernel" or (type(layer) in DEPTHWISE and name == "kernel"):
        return [(rank - 2, reads)]
    if name == "pointwise_kernel":
        inner = np.repeat(reads, layer.depth_multiplier)
        return [(rank - 2, inner), (rank - 1, makes)]
    if name == "kernel":
        if isinstance(layer, TRANSPOSED):
            return [(rank - 1, reads), (rank - 2, makes)]
        return [(rank - 2, reads), (rank - 1, makes)]
    # A bias, a table's rows, what normalization keeps, a slope for each channel.
    return [(rank - 1, makes)]
