"""Every family of networks is exported, and `auto` knows which is which."""

import contextlib
import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import RECIPES, ExportError, export_tflite, family_of, verify
from keras_kd.export.families import automatic
from keras_kd.export.runtime import Runner
from keras_kd.export.tflite import conversion, tracing
from tests.export.students import FAMILIES, any_size, cnn, data_for, text, vit

each_family = pytest.mark.parametrize("name", FAMILIES)


@each_family
def test_auto_picks_by_family_and_says_why(name, tmp_path):
    make, family = FAMILIES[name]
    model = make()
    data = data_for(model)
    result = export_tflite(model, tmp_path / "s.tflite", representative_data=data)
    assert family_of(model) == family == result.report["auto"]["family"]
    expected = "int8" if family in ("cnn", "dense") else "dynamic_int8"
    assert result.recipe is RECIPES[expected]
    assert len(result.report["auto"]["reason"]) > 30
    report = verify(model, result, data, limit=20)
    # A mask of zeros attends evenly; int8 steps are 1/100 of a range.
    assert report.max_error < (0.1 if expected == "int8" else 0.05)


@each_family
def test_float32_is_the_model(name, tmp_path):
    model = FAMILIES[name][0]()
    result = export_tflite(model, tmp_path / "s.tflite", "float32")
    # Bytes that are resized come to other last bits in LiteRT.
    tolerance = 1e-3 if name == "preprocessing" else 2e-5
    assert verify(model, result, data_for(model, 8)).max_error < tolerance
    assert result.report["auto"] is None


def test_auto_without_enough_data_calibrates_nothing():
    model = cnn()
    for data in (None, np.ones((3, 8, 8, 1)), {"image": np.ones((7, 8, 8, 1))}):
        recipe, why = automatic(model, data)
        assert recipe.name == "dynamic_int8" and "8 samples" in why["reason"]
    for data in (np.ones((8, 8, 8, 1)), lambda: iter([])):
        assert automatic(model, data)[0].name == "int8"


def test_attention_by_any_name_is_attention():
    class MyWindowAttention(layers.Layer):
        def call(self, inputs):
            return inputs

    x = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), MyWindowAttention()])
    assert family_of(keras.Model(x, inner(layers.Conv2D(3, 3, padding="same")(x)))) == (
        "transformer"
    )


@pytest.mark.parametrize("recipe", ["float32", "dynamic_int8", "int8"])
def test_sizes_left_open_stay_open_and_were_tried_on_two(recipe, tmp_path):
    model = any_size()
    data = data_for(model, 60)
    with pytest.warns(UserWarning) if recipe == "int8" else contextlib.nullcontext():
        result = export_tflite(model, tmp_path / "s.tflite", recipe, data)
    assert result.report["inputs"][0]["shape"] == [1, None, None, 3]
    assert "leaves sizes of ['image'] open" in " ".join(result.report["notes"])
    for size in (9, 40):
        other = data_for(model, 3, size=size)
        assert verify(model, result, other).max_error < 0.15


def test_representative_data_may_be_of_several_sizes(tmp_path):
    model = any_size()
    pictures = [data_for(model, 40, size=size) for size in (12, 16, 20)]
    result = export_tflite(model, tmp_path / "s.tflite", "int8", lambda: iter(pictures))
    assert result.report["calibration"]["samples"] == 120
    assert verify(model, result, pictures[1], limit=9).max_error < 0.15


def test_a_length_left_open_takes_any(tmp_path):
    model = text(None)
    result = export_tflite(model, tmp_path / "s.tflite", batch_size=None)
    shapes = {entry["name"]: entry["shape"] for entry in result.report["inputs"]}
    assert shapes == {"tokens": [None, None], "mask": [None, None]}
    for size in (5, 30):
        assert verify(model, result, data_for(model, 6, size=size)).max_error < 0.05


def test_a_size_baked_into_the_file_is_found_out(tmp_path, monkeypatch):
    """What the trace fixed at one size fails, or answers otherwise, at another."""

    def at_one_size(model, signature, batch_size):
        fixed = [
            dataclasses.replace(t, shape=tuple(16 if s is None else s for s in t.shape))
            for t in signature.inputs
        ]
        return tracing.trace(
            model, dataclasses.replace(signature, inputs=tuple(fixed)), batch_size
        )

    monkeypatch.setattr(conversion, "trace", at_one_size)
    with pytest.raises(ExportError, match="fails on inputs of .*24.*fix the sizes"):
        export_tflite(vit_of_any_length(), tmp_path / "s.tflite", "float32")
    assert not list(tmp_path.iterdir())


def vit_of_any_length():
    x = keras.Input((None, 4), name="steps")
    y = layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(x)))
    return keras.Model(x, y)


def test_sizes_that_suit_no_model_are_refused_with_a_way_out(tmp_path):
    x = keras.Input((None, None, 1), name="image")
    model = keras.Model(x, layers.Dense(2)(layers.Reshape((7 * 7,))(x)))
    with pytest.raises(ValueError, match=r"\(None, None, 1\).*none suits.*keras.Input"):
        export_tflite(model, tmp_path / "s.tflite", "float32")
    fixed = keras.Input((7, 7, 1))
    export_tflite(keras.Model(fixed, model(fixed)), tmp_path / "s.tflite", "float32")


def test_int16_is_refused_where_it_has_no_arithmetic(tmp_path):
    path = tmp_path / "s.tflite"
    model = vit()
    with pytest.raises(ExportError, match="no int16 arithmetic for NEG.*float16"):
        export_tflite(model, path, "int16x8", data_for(model))
    model = text()
    with pytest.raises(ValueError, match="input 'mask' takes int32.*dynamic_int8"):
        export_tflite(model, path, "int16x8", data_for(model))
    assert not list(tmp_path.iterdir())


def test_a_file_that_loads_and_fails_is_an_error(tmp_path, monkeypatch):
    model = cnn()

    def fail(self, batch):
        raise RuntimeError("kernel 7 failed to invoke")

    monkeypatch.setattr(
        "ai_edge_litert.interpreter.SignatureRunner.__call__",
        lambda self, **inputs: fail(self, inputs),
    )
    with pytest.raises(ExportError, match="kernel 7 failed.*recipe='float32'"):
        export_tflite(model, tmp_path / "s.tflite", "float16")
    assert not list(tmp_path.iterdir())


def test_a_dynamic_file_states_its_open_sizes(tmp_path):
    export_tflite(any_size(), tmp_path / "s.tflite", "float32")
    runner = Runner(tmp_path / "s.tflite")
    assert runner.batch_size == 1
    assert list(runner.inputs["image"]["shape_signature"]) == [1, -1, -1, 3]
