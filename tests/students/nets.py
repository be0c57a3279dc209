"""Small networks to make students from, with weights that all differ."""

import keras
import numpy as np
from keras import layers, ops


def unlike(model, seed=0):
    """Give every weight a value of its own; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        value = rng.normal(size=variable.shape) * 0.5
        if "variance" in variable.name:
            value = 0.5 + np.abs(value)
        if "count" not in variable.name:
            variable.assign(value)
    return model


def images(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def norm_relu(x, name):
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization()(x))


def residual(blocks=2, width=8, classes=5):
    """A stem, `blocks` blocks of one width, one that changes it, and `blocks` more."""
    x = inputs = keras.Input((8, 8, 3))
    y = layers.Conv2D(width, 3, padding="same", name="stem")(x)
    x = norm_relu(y, "stem")
    for stage in (1, 2):
        wide = width * stage
        for i in range(blocks + stage - 1):
            name, change = f"block_{stage}{i}", stage == 2 and not i
            y = layers.Conv2D(wide, 3, 1 + change, padding="same", name=f"{name}_1")(x)
            y = layers.Conv2D(wide, 3, padding="same", name=f"{name}_2")(
                norm_relu(y, f"{name}_1")
            )
            y = layers.BatchNormalization(name=f"{name}_norm")(y)
            if change:
                x = layers.Conv2D(wide, 1, 2, name=f"{name}_0")(x)
            x = layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return unlike(keras.Model(inputs, layers.Dense(classes, name="head")(x), name="r"))


def attending(blocks=3, width=8, post=False):
    """Attention and an MLP, normalized before each or after."""
    x = inputs = keras.Input((6, 3))
    x = layers.Dense(width, name="patches")(x)
    for i in range(blocks):
        for part in ("attention", "mlp"):
            y = x if post else layers.LayerNormalization(name=f"norm_{part}_{i}")(x)
            if part == "attention":
                y = layers.MultiHeadAttention(2, 3, name=f"heads_{i}")(y, y)
            else:
                y = layers.Dense(2 * width, "gelu", name=f"mlp_{i}_1")(y)
                y = layers.Dense(width, name=f"mlp_{i}_2")(y)
            x = layers.Add(name=f"{part}_{i}")([x, y])
            if post:
                x = layers.LayerNormalization(name=f"{part}_{i}_norm")(x)
    x = layers.LayerNormalization(name="last")(x)[:, 0]
    return unlike(keras.Model(inputs, layers.Dense(4, name="head")(x), name="a"))


def chain(*parts):
    return unlike(keras.Sequential([keras.Input((8, 8, 4)), *parts], name="chain"))


def next_like():
    """As ConvNeXt: a convolution for each channel, layer normalization, GELU."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 2, 2, name="stem")(x)
    for i in range(2):
        y = layers.Conv2D(8, 3, padding="same", groups=8, name=f"each_{i}")(x)
        y = layers.LayerNormalization(name=f"norm_{i}")(y)
        y = layers.Dense(16, name=f"up_{i}")(y)
        y = layers.Dense(8, name=f"down_{i}")(layers.Activation("gelu")(y))
        x = x + y
    x = layers.GroupNormalization(4, name="groups")(x)
    x = ops.mean(x, axis=(1, 2))
    return unlike(keras.Model(inputs, layers.Dense(3, name="head")(x), name="n"))


@keras.saving.register_keras_serializable("tests.students")
class Own(layers.Layer):
    """A layer that Keras does not bring."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale
