"""The layers that the bridge to tf_keras knows, and what of them is carried over."""

from __future__ import annotations

from typing import Any

import keras

_WEIGHTS = (
    "use_bias kernel_regularizer bias_regularizer activity_regularizer activation"
)
_CONV = f"filters kernel_size strides padding data_format dilation_rate {_WEIGHTS}"
_DEPTHWISE = (
    "kernel_size strides padding data_format dilation_rate depth_multiplier use_bias "
    "depthwise_regularizer bias_regularizer activity_regularizer activation"
)
_POOL = "pool_size strides padding data_format"
_TOGETHER = "Add Subtract Multiply Average Maximum Minimum Identity".split()

ARGUMENTS: dict[str, str] = {
    "Dense": f"units {_WEIGHTS}",
    "Embedding": "input_dim output_dim mask_zero embeddings_regularizer",
    "BatchNormalization": "axis momentum epsilon center scale",
    "LayerNormalization": "axis epsilon center scale",
    "Activation": "activation",
    "ReLU": "max_value negative_slope threshold",
    "LeakyReLU": "negative_slope",
    "PReLU": "shared_axes",
    "ELU": "alpha",
    "Softmax": "axis",
    "Concatenate": "axis",
    "Flatten": "data_format",
    "Reshape": "target_shape",
    "Permute": "dims",
    "RepeatVector": "n",
    "Dropout": "rate noise_shape seed",
    "GaussianNoise": "stddev",
    "GaussianDropout": "rate",
    "Rescaling": "scale offset",
    **dict.fromkeys(_TOGETHER, ""),
    **{f"Conv{rank}D": f"{_CONV} groups" for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": f"{_CONV} output_padding" for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _DEPTHWISE for rank in (1, 2)},
    **{
        f"SeparableConv{rank}D": f"filters {_DEPTHWISE} pointwise_regularizer"
        for rank in (1, 2)
    },
    **{f"{kind}Pooling{r}D": _POOL for r in (1, 2, 3) for kind in ("Max", "Average")},
    **{
        f"Global{kind}Pooling{rank}D": "data_format keepdims"
        for rank in (1, 2, 3)
        for kind in ("Max", "Average")
    },
    **{f"ZeroPadding{rank}D": "padding data_format" for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": "cropping data_format" for rank in (1, 2, 3)},
    "UpSampling1D": "size",
    "UpSampling2D": "size data_format interpolation",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate data_format",
}
"""For each class of layers the arguments that both kinds of Keras have."""

RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
ABSENT = {("ZeroPadding1D", "data_format"), ("Cropping1D", "data_format")}
ACTIVATIONS = {
    "linear": "linear",
    "relu": "relu",
    "elu": "elu",
    "selu": "selu",
    "gelu": "gelu",
    "silu": "swish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softmax": "softmax",
    "softplus": "softplus",
    "softsign": "softsign",
    "exponential": "exponential",
}
"""Activations that compute the same in both; hard_sigmoid does not."""

OPERATIONS = {"Add": "Add", "Multiply": "Multiply", "Subtract": "Subtract"}
"""Operations of `keras.ops` on two tensors, as layers."""


class Unknown(ValueError):
    """A layer that the bridge does not know."""


def counterpart(layer: keras.layers.Layer, name: str, tf_keras: Any) -> Any:
    """The unbuilt tf_keras layer that computes what a Keras 3 layer does.

    Args:
        layer: A Keras 3 layer.
        name: String, its name in the new model.
        tf_keras: The module.

    Raises:
        ValueError: If there is none.
    """
    kind = type(layer).__name__
    if type(layer) is not getattr(keras.layers, kind, None) or kind not in ARGUMENTS:
        raise Unknown(f"layer {name!r} is a {kind}")
    config = layer.get_config()
    for what in ("quantization_mode", "lora_enabled", "rms_scaling"):
        if getattr(layer, what, None):
            raise Unknown(f"layer {name!r} has {what}={getattr(layer, what)!r}")
    for key, value in config.items():
        if key.endswith("_constraint") and value is not None:
            raise Unknown(f"layer {name!r} has a {key}")
    arguments: dict[str, Any] = {"name": name, "trainable": layer.trainable}
    for key in ARGUMENTS[kind].split():
        if key not in config or (kind, key) in ABSENT:
            continue
        value = config[key]
        if key == "activation":
            value = _activation(layer, name)
        elif key.endswith("_regularizer"):
            value = _regularizer(value, name, tf_keras)
        arguments[RENAMED.get((kind, key), key)] = value
    return getattr(tf_keras.layers, kind)(**arguments)


def _activation(layer: Any, name: str) -> str:
    activation = getattr(layer.activation, "__name__", repr(layer.activation))
    own = getattr(keras.activations, activation, None) is layer.activation
    if not own or activation not in ACTIVATIONS:
        raise Unknown(f"the activation of layer {name!r} is {activation}")
    return ACTIVATIONS[activation]


def _regularizer(value: Any, name: str, tf_keras: Any) -> Any:
    if value is None:
        return None
    if value.get("class_name") not in ("L1", "L2", "L1L2"):
        raise Unknown(f"layer {name!r} has the regularizer {value.get('class_name')}")
    return getattr(tf_keras.regularizers, value["class_name"])(**value["config"])
