"""Operators outside LiteRT: named, located, and with something to put in place."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd.export import ExportError, export_tflite, verify


class Bell(layers.Layer):
    def call(self, inputs):
        return keras.ops.erf(inputs)


def functional(shape, call, dtype="float32"):
    x = keras.Input(shape, dtype=dtype, name="x")
    return keras.Model(x, call(x))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            lambda: functional((4,), lambda x: keras.ops.erf(layers.Dense(2)(x))),
            "operator for Erf. Instead: .*keras.activations.gelu",
        ),
        (
            lambda: functional((4,), Bell(name="bell")),
            r"Erf. Layers \['bell'\] need it",
        ),
        (
            lambda: functional(
                (4,),
                keras.Sequential(
                    [keras.Input((4,)), layers.Dense(2, keras.ops.erf, name="dense_7")]
                ),
            ),
            r"Erf. Layers \['dense_7'\] need it",
        ),
        (
            lambda: functional((4, 4), keras.ops.inv),
            "MatrixInverse. Instead: invert a constant matrix once",
        ),
        (
            lambda: functional((9, 9, 3), layers.Resizing(6, 6, "bicubic", name="fit")),
            r"ResizeBicubic. Layers \['fit'\] need it.*bilinear",
        ),
        (
            lambda: functional((4,), layers.CategoryEncoding(5, "multi_hot"), "int32"),
            r"DenseBincount. Layers \['category_encoding'\] need it.*one_hot",
        ),
        (
            lambda: functional((4,), layers.Hashing(5), "int64"),
            r"StringToHashBucketFast. Layers \['hashing'\] need it.*let the app hash",
        ),
        (
            lambda: functional((4,), layers.IntegerLookup(vocabulary=[1, 2]), "int64"),
            r"LookupTable.*\['integer_lookup'\] need it.*let the app look ids up",
        ),
        (
            lambda: functional((4, 4), lambda x: keras.ops.qr(x)[0]),
            "Qr. Instead: replace it in the model, or leave that step to the app",
        ),
    ],
)
def test_the_layer_is_named_and_a_replacement_offered(model, sentence, tmp_path):
    with pytest.raises(ExportError, match=sentence):
        export_tflite(model(), tmp_path / "s.tflite", "float32")
    assert not list(tmp_path.iterdir())


def test_the_replacement_for_erf_is_one():
    x = np.linspace(-6, 6, 2001)
    exact = np.array([math.erf(value) for value in x])
    assert abs(np.tanh(1.1295 * x + 0.1 * x**3) - exact).max() < 3e-4


def test_a_replacement_is_exported(tmp_path):
    model = functional(
        (6,), lambda x: layers.Dense(3, activation="gelu")(layers.Dense(5)(x))
    )
    result = export_tflite(model, tmp_path / "s.tflite", "float32")
    x = np.random.default_rng(0).normal(size=(9, 6))
    assert verify(model, result, x).max_error < 1e-5
    assert "GELU" in result.report["operators"]


def test_a_variable_that_no_layer_owns_is_exported_as_it_stands(tmp_path):
    loose = tf.Variable(np.arange(8, dtype="float32").reshape(4, 2))
    model = functional((4,), layers.Lambda(lambda x: tf.matmul(x, loose) + loose[0]))
    result = export_tflite(model, tmp_path / "s.tflite", "float32")
    assert verify(model, result, np.eye(4)).max_error < 1e-6
    assert list(result.report["inputs"][0]["shape"]) == [1, 4]
