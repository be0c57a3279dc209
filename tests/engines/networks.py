"""Small frozen models of every form, with statistics that a training left."""

import keras
import numpy as np
from keras import layers

from tests.models import Subclassed


def trained(model, seed=0):
    """Weights and statistics that no initializer gives."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif "gamma" in weight.path:
            weight.assign(rng.uniform(-1.5, 1.5, weight.shape))
        elif any(name in weight.path for name in ("moving_mean", "beta", "bias")):
            weight.assign(rng.normal(size=weight.shape) * 0.3)
    return model


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False, name="c"),
            layers.BatchNormalization(name="bn"),
            layers.ReLU(name="body"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="d"),
            layers.BatchNormalization(scale=False, name="bn_d"),
            layers.Flatten(),
            layers.Dense(6, name="hidden"),
            layers.BatchNormalization(center=False, name="bn_h"),
            layers.Dense(5, name="head"),
        ],
        name="sequential",
    )


def residual():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="c0")(inputs)
    y = layers.BatchNormalization(name="bn1")(
        layers.Conv2D(4, 3, padding="same", name="c1")(x)
    )
    x = layers.ReLU(name="body")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name="residual")


def nested():
    backbone = residual()
    backbone = keras.Model(
        backbone.input, backbone.get_layer("body").output, name="backbone"
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalMaxPooling2D()(backbone(inputs))
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name="nested")


def two_outputs():
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="body")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
    kind = layers.Dense(5, name="k")(x)
    outputs = {"kind": kind, "boxes": layers.Dense(2, name="b")(x)}
    return keras.Model(inputs, outputs, name="two_outputs")


def subclassed():
    model = Subclassed(name="subclassed")
    model(np.zeros((1, 8, 8, 3), "float32"))
    return model


NETWORKS = {
    sequential: ("body", "hidden"),
    residual: ("body", "c1"),
    nested: ("backbone/c0", "output"),
    two_outputs: ("output/boxes", "output"),
    subclassed: ("body", "output"),
}
"""Each with taps that are wanted of it."""
