"""Tiny students of every kind, and data for them."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from keras_kd.export.quiet import quiet
from keras_kd.export.signature import signature_of
from keras_kd.export.tflite.tracing import trace


def cnn(classes=3, activation=None):
    """Functional, one image in, logits out; every bias differs from zero."""
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(4, 3, activation="relu", bias_initializer="normal")(x)
    y = layers.Flatten()(y)
    y = layers.Dense(
        classes, activation=activation, bias_initializer="normal", name="logits"
    )(y)
    return keras.Model(x, y, name="cnn")


def two_by_list():
    """Two inputs of one shape, in an order that is not the alphabet's."""
    b = keras.Input((4,), name="b")
    a = keras.Input((4,), name="a")
    y = layers.Dense(3, name="first")(b)
    z = layers.Dense(2, name="second")(layers.Concatenate()([a, b]))
    return keras.Model([b, a], [y, z])


def two_by_dict():
    """Dict in, dict out."""
    image = keras.Input((6, 6, 1), name="image")
    meta = keras.Input((3,), name="meta")
    y = layers.Concatenate()([layers.Flatten()(image), layers.Dense(4)(meta)])
    return keras.Model(
        {"image": image, "meta": meta},
        {"zoo": layers.Dense(3)(y), "box": layers.Dense(2, activation="sigmoid")(y)},
    )


@keras.saving.register_keras_serializable("tests.export")
class Subclassed(keras.Model):
    """No symbolic inputs: shapes are those of its first batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(4, activation="relu")
        self.head = layers.Dense(2)

    def call(self, inputs):
        return {"score": self.head(self.hidden(inputs))}


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 5), "float32"))
    return model


def sequential():
    return keras.Sequential(
        [keras.Input((5,), name="features"), layers.Dense(4, "relu"), layers.Dense(2)]
    )


def recurrent(unroll=False, layer=layers.LSTM):
    x = keras.Input((6, 3), name="steps")
    return keras.Model(x, layers.Dense(2, name="head")(layer(4, unroll=unroll)(x)))


def tokens():
    x = keras.Input((7,), dtype="int32", name="tokens")
    y = layers.GlobalAveragePooling1D()(layers.Embedding(20, 8)(x))
    return keras.Model(x, layers.Dense(3, name="head")(y))


STUDENTS = {
    "functional": cnn,
    "list": two_by_list,
    "dict": two_by_dict,
    "subclassed": subclassed,
    "sequential": sequential,
    "tokens": tokens,
    "unrolled": lambda: recurrent(unroll=True),
}


def mobile(classes=5):
    """Depthwise, separable, squeeze-excite, hard-swish, residual, as MobileNetV3."""
    x = keras.Input((16, 16, 3), name="image")
    y = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    y = shortcut = layers.Activation("hard_swish")(layers.BatchNormalization()(y))
    y = layers.DepthwiseConv2D(3, padding="same")(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    y = layers.Add()([shortcut, layers.Conv2D(8, 1)(layers.Multiply()([y, gate]))])
    y = layers.SeparableConv2D(16, 3, activation="silu")(y)
    y = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, layers.Dense(classes, "softmax", name="classes")(y))


def attending(y, size=16, mask=None):
    """One encoder block, pre-norm, exact GELU."""
    n = layers.LayerNormalization()(y)
    n = layers.MultiHeadAttention(2, size // 2)(n, n, attention_mask=mask)
    y = layers.Add()([y, n])
    n = layers.Dense(2 * size, activation="gelu")(layers.LayerNormalization()(y))
    return layers.Add()([y, layers.Dense(size)(n)])


def vit(classes=5):
    x = keras.Input((16, 16, 3), name="image")
    y = layers.Reshape((16, 16))(layers.Conv2D(16, 4, 4)(x))
    y = layers.GlobalAveragePooling1D()(attending(y))
    return keras.Model(x, layers.Dense(classes, name="logits")(y))


def text(length=12):
    """Tokens and the mask of those that count, by name; any length with None."""
    ids = keras.Input((length,), dtype="int32", name="tokens")
    mask = keras.Input((length,), dtype="int32", name="mask")
    y = attending(layers.Embedding(40, 16)(ids), mask=keras.ops.expand_dims(mask, 1))
    y = layers.GlobalAveragePooling1D()(y)
    return keras.Model({"tokens": ids, "mask": mask}, {"label": layers.Dense(3)(y)})


def masked_bilstm():
    x = keras.Input((7,), dtype="int32", name="tokens")
    y = layers.Embedding(20, 8, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(6))(y)
    return keras.Model(x, layers.Dense(2, name="head")(y))


def preprocessing():
    """Pixels as a camera gives them, and what is only for training."""
    x = keras.Input((20, 20, 3), dtype="uint8", name="pixels")
    y = layers.RandomRotation(0.1)(layers.RandomFlip()(layers.Resizing(12, 12)(x)))
    y = layers.Normalization(mean=(0.4, 0.5, 0.6), variance=(0.1, 0.2, 0.3))(
        layers.Rescaling(1 / 255)(y)
    )
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(y))
    return keras.Model(x, layers.Dense(3, name="logits")(y))


def any_size():
    """Height and width are left to the app."""
    x = keras.Input((None, None, 3), name="image")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(x))
    return keras.Model(x, layers.Dense(3, name="logits")(y))


FAMILIES = {
    "mobile": (mobile, "cnn"),
    "vit": (vit, "transformer"),
    "text": (text, "text"),
    "bilstm": (masked_bilstm, "recurrent"),
    "gru": (lambda: recurrent(layer=layers.GRU), "recurrent"),
    "preprocessing": (preprocessing, "cnn"),
    "any_size": (any_size, "cnn"),
    "any_length": (lambda: text(None), "text"),
    "dense": (sequential, "dense"),
}
"""Students by name, each with what `family_of` is to call it."""


def data_for(model, count=120, seed=0, size=17):
    """Random inputs by name; `size` stands for those that are left open."""
    generator = np.random.default_rng(seed)
    batch = {}
    for tensor in signature_of(model).inputs:
        shape = (count, *(known or size for known in tensor.shape[1:]))
        values = generator.normal(size=shape)
        if tensor.dtype == "int32":
            values = generator.integers(0, 2 if tensor.name == "mask" else 20, shape)
        elif tensor.dtype == "uint8":
            values = generator.integers(0, 256, shape)
        batch[tensor.name] = values.astype(tensor.dtype)
    return batch


def raw_convert(model, path, trackable=None, select=False, batch_size=1):
    """A file made behind the exporter's back, without its checks."""
    import tensorflow as tf

    concrete, module = trace(model, signature_of(model), batch_size)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [concrete], module if trackable is None else trackable
    )
    if select:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    with quiet():
        path.write_bytes(converter.convert())
    return path
