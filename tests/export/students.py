"""Tiny students of every kind, and data for them."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from keras_kd.export.quiet import quiet
from keras_kd.export.signature import signature_of
from keras_kd.export.tflite import trace


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


def data_for(model, count=120, seed=0):
    """Random inputs by name."""
    generator = np.random.default_rng(seed)
    batch = {}
    for tensor in signature_of(model).inputs:
        shape = (count, *tensor.shape[1:])
        values = generator.normal(size=shape)
        if tensor.dtype == "int32":
            values = generator.integers(0, 20, shape)
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
