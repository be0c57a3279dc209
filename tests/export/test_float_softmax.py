"""Probabilities in full precision from a quantized file."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import export_tflite, from_rgb, schema, verify, with_softmax
from keras_kd.export.runtime import Runner
from keras_kd.export.tflite.float_softmax import softmax_in_float
from tests.export.students import (
    cnn,
    data_for,
    mobile,
    raw_convert,
    sequential,
    subclassed,
    two_by_list,
)

CLASSES = 400


def classifier():
    """So many classes that most probabilities are below 1/256."""
    model = cnn(CLASSES, "softmax")
    head = model.get_layer("logits")
    head.kernel.assign(4 * head.kernel)
    return model


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_the_softmax_leaves_the_quantized_part(io, tmp_path):
    model = classifier()
    data = data_for(model)
    coarse = export_tflite(model, tmp_path / "a.tflite", "int8", data, io=io)
    fine = export_tflite(
        model, tmp_path / "b.tflite", "int8", data, io=io, float_softmax=True
    )
    assert fine.report["inputs"][0]["dtype"] == io
    (output,) = fine.report["outputs"]
    assert (output["name"], output["dtype"]) == ("logits", "float32")
    assert [i["operator"] for i in fine.report["float_islands"]] == ["SOFTMAX"]
    answers = [
        Runner(result.path)({"image": data["image"][:20]}) for result in (coarse, fine)
    ]
    assert (answers[0]["logits"] == 0).mean() > 0.5  # the fault that this mends
    assert (answers[1]["logits"] > 0).all()
    np.testing.assert_allclose(answers[1]["logits"].sum(1), 1.0, atol=1e-5)
    errors = [
        verify(model, result, data, limit=20).max_error for result in (coarse, fine)
    ]
    assert errors[1] < errors[0]


def test_int16_too_and_a_float_file_is_left_alone(tmp_path):
    model = classifier()
    data = data_for(model)
    for recipe in ("int16x8", "dynamic_int8"):
        path = tmp_path / f"{recipe}.tflite"
        result = export_tflite(model, path, recipe, data, float_softmax=True)
        assert result.report["outputs"][0]["dtype"] == "float32"
        assert verify(model, result, data, limit=10).max_error < 0.02


@pytest.mark.parametrize("recipe", ["int8", "float32"])
def test_logits_have_no_softmax_and_are_told_how_to_get_one(recipe, tmp_path):
    model = cnn()
    data, path = data_for(model), tmp_path / "s.tflite"
    with pytest.raises(ValueError, match=r"in \['FULLY_CONNECTED'\].*with_softmax"):
        export_tflite(model, path, recipe, data, float_softmax=True)
    assert not list(tmp_path.iterdir())
    given = with_softmax(model)
    result = export_tflite(given, path, recipe, data, float_softmax=True)
    assert [o["name"] for o in result.report["outputs"]] == ["probabilities"]
    assert verify(given, result, data).max_error < 0.05


def test_packing_again_keeps_the_rest_of_the_file(tmp_path):
    model = classifier()
    raw = export_tflite(
        model, tmp_path / "a.tflite", "int8", data_for(model), io="float32"
    ).path.read_bytes()
    packed = softmax_in_float(raw)
    before, after = schema.load(raw), schema.load(packed)
    assert schema.parameters(before) == schema.parameters(after)
    assert schema.operators(before) == schema.operators(after)
    for buffer in after.buffers:
        if buffer.data is not None and len(buffer.data) > 64:
            assert packed.find(bytes(buffer.data)) % 16 == 0
    with pytest.raises(ValueError, match="ends in"):
        softmax_in_float(raw_convert(cnn(), tmp_path / "b.tflite").read_bytes())


@pytest.mark.parametrize("make", [cnn, sequential, subclassed])
def test_with_softmax_is_the_models_softmax(make, tmp_path):
    model = make()
    given = with_softmax(model, "p")
    batch = data_for(model, 5)
    (logits,) = keras.tree.flatten(model(*batch.values()))
    found = given(*batch.values())
    np.testing.assert_allclose(found, keras.ops.softmax(logits), atol=1e-6)
    assert given.output_names == ["p"] and given.count_params() == model.count_params()
    given.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(*batch.values()), found, atol=1e-6)


def test_with_softmax_refuses_what_has_no_classes():
    with pytest.raises(ValueError, match=r"one output.*\['first', 'second'\]"):
        with_softmax(two_by_list())
    x = keras.Input((4,))
    with pytest.raises(ValueError, match=r"two classes or more.*\(None, 1\)"):
        with_softmax(keras.Model(x, layers.Dense(1)(x)))


def test_from_rgb_sees_brightness_and_keeps_the_names(tmp_path):
    grey = cnn()
    model = from_rgb(grey)
    rng = np.random.default_rng(0)
    colour = rng.random((6, 8, 8, 3)).astype("float32")
    brightness = (colour * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)
    np.testing.assert_allclose(model(colour), grey(brightness), atol=1e-5)
    same = np.repeat(brightness, 3, axis=-1)
    np.testing.assert_allclose(model(same), grey(brightness), atol=1e-5)
    assert model.trainable_variables == grey.trainable_variables
    data = rng.random((100, 8, 8, 3))
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data, io="uint8")
    assert [i["name"] for i in result.report["inputs"]] == ["image"]
    assert [o["name"] for o in result.report["outputs"]] == ["logits"]
    assert verify(model, result, data).max_error < 0.1
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(colour), model(colour), atol=1e-6)


def test_from_rgb_refuses_what_is_not_grey():
    for make in (mobile, two_by_list, sequential):
        with pytest.raises(ValueError, match=r"shape \(batch, height, width, 1\)"):
            from_rgb(make())
