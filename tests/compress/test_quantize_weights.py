"""Weight-only training: the file's grid is the graph's."""

import keras
import numpy as np
import pytest
from keras import layers as L

from keras_kd.compress import prune, quantization_mode, quantize_aware, strip
from keras_kd.compress.weights import TransformedWeights
from keras_kd.export import export_tflite
from keras_kd.export.runtime import Runner
from tests.compress.quantized_nets import make, mobile, perceptron

pytest.importorskip("litert_quantizer")


def transformer():
    x = keras.Input((12,), dtype="int32")
    y = L.Embedding(50, 16)(x)
    z = L.MultiHeadAttention(2, 8)(y, y)
    y = L.LayerNormalization()(y + z)
    z = L.Dense(16)(L.Dense(32, activation="gelu")(y))
    y = L.LayerNormalization()(y + z)
    return x, L.Dense(4)(L.GlobalAveragePooling1D()(y))


def recurrent():
    x = keras.Input((12,), dtype="int32")
    y = L.Bidirectional(L.LSTM(8, return_sequences=True))(L.Embedding(50, 8)(x))
    return x, L.Dense(4)(L.GRU(8)(y))


def inputs(model, count=8):
    rng = np.random.default_rng(1)
    shape = (count, *model.input_shape[1:])
    if model.input.dtype == "int32":
        return rng.integers(0, 50, shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


def decibels(expected, found):
    noise = np.square(expected - found).sum()
    return 10 * np.log10(np.square(expected).sum() / max(noise, 1e-30))


@pytest.mark.parametrize("mode", ["weight_only_int8", "weight_only_int4"])
@pytest.mark.parametrize(
    "build", [mobile, perceptron, transformer, recurrent], ids=lambda b: b.__name__
)
def test_the_file_equals_the_graph(build, mode, tmp_path):
    model = make(build)
    rng = np.random.default_rng(2)
    for layer in model._flatten_layers():
        if isinstance(layer, L.LayerNormalization):
            layer.gamma.assign(rng.uniform(0.5, 2, layer.gamma.shape))
    x = inputs(model)
    student = quantize_aware(model, mode)
    assert quantization_mode(student) == mode
    # Keeping batch normalization apart is what `keep` does here.
    kept = strip(student, keep="quantization")
    result = export_tflite(kept, tmp_path / "m.tflite", mode)
    assert mode.removeprefix("weight_only_").upper() in result.report["tensor_dtypes"]
    runner = Runner(result.path)
    [name] = runner.inputs
    found = [next(iter(runner({name: one[None]}).values())) for one in x]
    expected = np.asarray(student(x, training=False))
    assert decibels(expected, np.concatenate(found)) > 100
    # And the test could fail: rounding is no small thing.
    assert decibels(np.asarray(model(x, training=False)), expected) < 70


def test_lookups_and_thin_convolutions_stay_as_they_are():
    model = make(transformer)
    student = strip(quantize_aware(model, "weight_only_int4"))
    for old, new in zip(model.weights, student.weights, strict=True):
        changed = not np.array_equal(old, new)
        assert changed == (old.name == "kernel"), old.path
    thin = make(mobile)
    for mode, expected in (("weight_only_int8", True), ("weight_only_int4", False)):
        student = strip(quantize_aware(thin, mode))
        for old, new in zip(thin.layers, student.layers, strict=True):
            if isinstance(old, L.DepthwiseConv2D):
                assert np.array_equal(old.kernel, new.kernel) != expected
            if isinstance(old, L.SeparableConv2D):
                assert not np.array_equal(old.pointwise_kernel, new.pointwise_kernel)


def test_four_bits_have_fifteen_steps():
    student = strip(quantize_aware(make(perceptron), "weight_only_int4"))
    kernel = np.asarray(student.layers[1].kernel)
    steps = kernel / (np.abs(kernel).max(0) / 7)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert set(np.round(steps).ravel()) <= set(range(-7, 8))


def test_training_loading_and_stripping(tmp_path):
    model = make(recurrent)
    x = inputs(model, 16)
    student = quantize_aware(prune(model, 0.5, min_weights=1), "weight_only_int4")
    student.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
    y = np.random.default_rng(0).normal(size=(16, 4))
    losses = student.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    student.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(x), student(x), rtol=1e-6, atol=1e-6)
    plain = strip(loaded)
    np.testing.assert_allclose(plain(x), student(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(a, TransformedWeights) for a in plain._flatten_layers())
