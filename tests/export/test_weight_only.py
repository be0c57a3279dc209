"""Weights in 8 and 4 bits by litert-quantizer."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import ExportError, Recipe, export_tflite, schema, verify
from keras_kd.export.tflite import weight_only
from tests.export.students import cnn


def student():
    x = keras.Input((64,), name="x")
    y = layers.Dense(128, activation="relu")(x)
    return keras.Model(x, layers.Dense(8, name="logits")(y))


DATA = np.random.default_rng(0).normal(size=(50, 64)).astype("float32")


def test_fewer_bits_are_fewer_bytes(tmp_path, capfd):
    model = student()
    sizes, errors = {}, {}
    for recipe in ("float32", "weight_only_int8", "weight_only_int4"):
        result = export_tflite(model, tmp_path / f"{recipe}.tflite", recipe)
        sizes[recipe] = result.report["bytes"]
        errors[recipe] = verify(model, result, DATA).max_error
        assert result.report["inputs"][0]["dtype"] == "float32"
    assert sizes["weight_only_int8"] < 0.35 * sizes["float32"]
    assert sizes["weight_only_int4"] < 0.25 * sizes["float32"]
    assert errors["float32"] < errors["weight_only_int8"] < errors["weight_only_int4"]
    assert errors["weight_only_int8"] < 0.03
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


@pytest.mark.parametrize(("recipe", "most"), [("int8", 127), ("int4", 7)])
def test_scales_are_of_each_channels_largest_magnitude(recipe, most, tmp_path):
    """min/max: nothing is clipped, and a snapped kernel comes back exactly."""
    model = student()
    kernel = np.asarray(model.layers[1].kernel)
    scale = abs(kernel).max(0) / most
    snapped = np.rint(kernel / scale) * scale
    model.layers[1].kernel.assign(snapped)
    head = np.asarray(model.layers[2].kernel)
    head_scale = abs(head).max(0) / most
    model.layers[2].kernel.assign(np.rint(head / head_scale) * head_scale)
    result = export_tflite(model, tmp_path / "s.tflite", f"weight_only_{recipe}")
    contents = schema.load(result.path)
    (first,) = (
        tensor.quantization.scale
        for tensor in contents.subgraphs[0].tensors
        if schema.tensor_type(tensor) == recipe.upper() and tensor.shape[0] == 128
    )
    np.testing.assert_allclose(first, scale, rtol=1e-5)
    assert verify(model, result, DATA).max_error < 1e-4


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(__import__("sys").modules, "litert_quantizer", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-kd\[quantizer\]'"):
        export_tflite(cnn(), tmp_path / "s.tflite", "weight_only_int8")
    assert not list(tmp_path.iterdir())


def test_its_errors_are_ours():
    with pytest.raises(ExportError, match="litert-quantizer failed"):
        weight_only.quantize_weights(
            b"no file", Recipe("x", weights="int8", weight_only=True)
        )
