"""Layers are found by name, compared with the right ones, and never guessed."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import VerificationError, export_tflite, schema, verify
from keras_kd.export.verify.layer_errors import Tracer, _Made, layer_of, matched
from tests.export.students import cnn, data_for, tokens, two_by_dict


def blocks():
    """Fused activations, a residual, depthwise, a softmax."""
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(x)
    y = layers.BatchNormalization(name="norm")(y)
    r = layers.Activation("relu", name="act")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="depth")(r)
    y = layers.Conv2D(6, 1, name="point")(layers.ReLU(6.0, name="relu6")(y))
    y = layers.Add(name="sum")([y, r])
    y = layers.Dense(5, activation="softmax", name="head")(
        layers.GlobalAveragePooling2D(name="pool")(y)
    )
    return keras.Model(x, y)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = blocks()
    data = data_for(model, 120)
    folder = tmp_path_factory.mktemp("layers")
    files = {
        recipe: export_tflite(model, folder / f"{recipe}.tflite", recipe, data).path
        for recipe in ("float32", "float16", "int8")
    }
    return model, data, files


def test_every_layer_of_an_int8_file_is_compared(student):
    model, data, files = student
    report = verify(model, files["int8"], data, layers=True, limit=40)
    assert report.unmatched_layers == []
    made = schema.operators(schema.load(files["int8"]))
    assert len(report.layers) == sum(made.values())
    assert all(15 < layer.snr_db < 80 for layer in report.layers)
    names = [layer.layer for layer in report.layers]
    assert {"depth", "point", "sum", "pool", "head"} <= {*names, "depth"}
    assert names[-1] == "head"
    # The last tensor is the output, on the samples that layers are compared on.
    same = verify(model, files["int8"], data, limit=32)
    assert report.layers[-1].snr_db == pytest.approx(same.snr_db, abs=0.05)


def test_the_float_file_is_exact_and_float16_nearly(student):
    model, data, files = student
    plain = verify(model, files["float32"], data, layers=files["float32"], limit=4)
    assert {layer.snr_db for layer in plain.layers} == {200.0}
    half = verify(model, files["float16"], data, layers=files["float32"], limit=4)
    assert half.unmatched_layers == []
    assert all(55 < layer.snr_db < 200 for layer in half.layers)


def test_the_figures_are_those_computed_from_keras(student):
    """Not only beside another file: beside the model's own layers."""
    model, data, files = student
    report = verify(model, files["int8"], data, layers=True, limit=32)
    inner = keras.Model(model.inputs, model.get_layer("sum").output)
    expected = np.asarray(inner([data["image"][:32]]), "float64")
    (layer,) = [entry for entry in report.layers if entry.operator == "ADD"]
    tracer = Tracer(files["int8"])
    (made,) = [made for made in tracer.made if made.operator == "ADD"]
    answered = np.concatenate(
        [tracer({"image": data["image"][i : i + 1]})[made.index] for i in range(32)]
    )
    noise = np.square(answered - expected).sum()
    snr = 10 * np.log10(np.square(expected).sum() / noise)
    assert layer.snr_db == pytest.approx(snr, abs=0.01)
    assert layer.max_error == pytest.approx(np.abs(answered - expected).max(), abs=1e-5)


def test_the_layer_that_is_broken_is_where_the_figure_falls(student, tmp_path):
    model, data, files = student
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    kernel = other.get_layer("point").kernel
    kernel.assign(np.array(kernel.value)[:, :, ::-1])
    path = export_tflite(other, tmp_path / "broken.tflite", "int8", data).path
    report = verify(model, path, data, layers=files["float32"], limit=16)
    snr = {layer.layer: layer.snr_db for layer in report.layers}
    assert snr["relu6"] > 20 > 10 > snr["point"]


def test_dicts_and_tokens(tmp_path):
    for build in (two_by_dict, tokens):
        model = build()
        data = data_for(model)
        recipe = "int8" if build is two_by_dict else "dynamic_int8"
        path = export_tflite(model, tmp_path / f"{model.name}.tflite", recipe, data)
        report = verify(model, path, data, layers=True, limit=8)
        assert report.layers and all(layer.snr_db > 15 for layer in report.layers)


def test_a_file_of_another_batch_is_refused(student, tmp_path):
    model, data, files = student
    pair = export_tflite(model, tmp_path / "two.tflite", batch_size=2)
    with pytest.raises(VerificationError, match="compared at one batch size"):
        verify(model, files["int8"], data, layers=pair.path)
    report = verify(model, pair, data, layers=True, limit=5)
    assert report.layers[-1].snr_db == 200.0


def made(index, name, operator="CONV_2D", shape=(1, 4)):
    return _Made(index, operator, name, shape, None)


def test_names_are_matched_but_for_the_converters_numbers():
    ours = [made(0, "m/a/conv1"), made(1, "m/b/conv"), made(2, "m/c/conv")]
    theirs = [made(9, "m/a/conv2"), made(8, "m/b/conv"), made(7, "m/d/conv")]
    assert matched(ours, theirs) == {0: 9, 1: 8}


def test_what_is_not_sure_is_not_matched():
    # `x2` of one file may be `x3` of the other.
    two = [made(0, "m/dot1"), made(1, "m/dot2")]
    moved = [made(5, "m/dot2"), made(6, "m/dot3")]
    assert matched(two, moved) == {}
    assert matched(two, [made(5, "m/dot1"), made(6, "m/dot2")]) == {0: 5, 1: 6}
    assert matched(two, [made(5, "m/dot1")]) == {}
    assert matched([made(0, "m/dot", shape=(1, 5))], [made(5, "m/dot")]) == {}
    assert matched([made(0, "m/dot", "ADD")], [made(5, "m/dot")]) == {}


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("functional_1/stem_1/convolution1", "stem"),
        ("functional_1/relu6_1/Relu6;functional_1/depth_1/depthwise", "relu6"),
        ("functional_1/inner_1/stem_2/x", "stem"),
        ("functional_1/block_1/add", "block_1"),
        ("StatefulPartitionedCall:0", ""),
    ],
)
def test_the_layer_in_a_tensors_name(tensor, layer):
    assert layer_of(tensor, ["stem", "relu6", "block_1", "inner"]) == layer


def test_layers_of_an_onnx_file_cannot_be_asked_for(tmp_path):
    (tmp_path / "s.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="`layers` can be compared in a .tflite"):
        verify(cnn(), tmp_path / "s.onnx", np.ones((1, 8, 8, 1)), layers=True)
