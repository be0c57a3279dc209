"""Models that `keras_kd.compress` made: what they learned is in the file."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.compress import quantization_mode
from keras_kd.compress.quantize.training import quantize_aware
from keras_kd.export import ExportError, export_tflite, verify
from tests.export.students import cnn, data_for, mobile


def trained(model, mode="int8"):
    """A quantize-aware copy that has seen some data."""
    student = quantize_aware(model, mode)
    batch = data_for(model, 64)
    (x,) = batch.values()
    student.compile("sgd", "mse")
    student.fit(x, np.asarray(model(x)), epochs=4, batch_size=16, verbose=0)
    return student, x


@pytest.mark.parametrize("make", [cnn, mobile])
def test_int8_needs_no_data_and_holds_no_float(make, tmp_path):
    student, x = trained(make())
    result = export_tflite(student, tmp_path / "s.tflite")
    assert result.recipe.name == "int8"
    assert "trained with quantize_aware" in result.report["auto"]["reason"]
    assert result.report["float_islands"] == []
    assert "FLOAT32" not in result.report["tensor_dtypes"]
    assert result.report["calibration_samples"] == 0
    report = verify(student, result, x)
    (step,) = (output["scale"] for output in result.report["outputs"])
    assert report.max_error < 1.01 * step


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_doors_of_another_type(io, tmp_path):
    student, x = trained(cnn())
    result = export_tflite(student, tmp_path / "s.tflite", "int8", io=io)
    assert result.report["inputs"][0]["dtype"] == io
    assert result.report["outputs"][0]["dtype"] == io
    assert result.report["float_islands"] == []
    assert verify(student, result, x).max_error < 0.1


def test_names_are_the_students(tmp_path):
    model = cnn()
    student, x = trained(model)
    for recipe in ("int8", "float32"):
        result = export_tflite(student, tmp_path / f"{recipe}.tflite", recipe)
        assert [o["name"] for o in result.report["outputs"]] == ["logits"]
        verify(model, result, x)  # by the same names


def test_softmax_outside_the_quantized_part(tmp_path):
    student, x = trained(cnn(40, "softmax"))
    result = export_tflite(student, tmp_path / "s.tflite", float_softmax=True)
    assert result.report["outputs"][0]["dtype"] == "float32"
    assert [i["operator"] for i in result.report["float_islands"]] == ["SOFTMAX"]
    assert verify(student, result, x).max_error < 0.005


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic_int8"])
def test_another_recipe_leaves_the_ranges_behind_and_says_so(recipe, tmp_path):
    student, _ = trained(cnn())
    result = export_tflite(student, tmp_path / "s.tflite", recipe)
    assert "quantize_aware(mode='int8')" in result.report["notes"][0]
    assert f"recipe={recipe!r}" in result.report["notes"][0]
    assert quantization_mode(student) == "int8"  # the student is as it was


def test_int16_still_needs_data(tmp_path):
    student, x = trained(cnn())
    with pytest.raises(ValueError, match="`representative_data` is needed"):
        export_tflite(student, tmp_path / "s.tflite", "int16x8")


@pytest.mark.parametrize("mode", ["weight_only_int8", "weight_only_int4"])
def test_weight_only_grids_come_back_in_the_file(mode, tmp_path):
    x = keras.Input((32,), name="x")
    y = layers.Dense(64, activation="relu")(x)
    student, data = trained(keras.Model(x, layers.Dense(4, name="logits")(y)), mode)
    result = export_tflite(student, tmp_path / "s.tflite")
    assert result.recipe.name == mode and result.report["notes"] == []
    assert verify(student, result, data).max_error < 1e-4


def test_a_range_that_saw_nothing_is_no_range(tmp_path):
    student = quantize_aware(cnn(), "int8")
    with pytest.raises((ValueError, ExportError)):
        export_tflite(student, tmp_path / "s.tflite")
    assert not list(tmp_path.iterdir())
