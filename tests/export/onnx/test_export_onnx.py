"""The contract of `export_onnx`: every kind of student, every recipe."""

import hashlib
import json
import sys

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from keras_kd.export import ExportError, Metadata, Recipe, export_onnx, read_metadata
from keras_kd.export.onnx import OnnxRunner, graph
from keras_kd.export.probe import model_outputs
from keras_kd.export.signature import signature_of
from tests.export.onnx.students import (
    ALL,
    LOOPS,
    masked,
    mobile,
    open_sizes,
    preprocessing,
    vision_transformer,
)
from tests.export.students import Subclassed, cnn, data_for, two_by_dict

TOLERANCE = {"float32": 1e-5, "dynamic_int8": 0.05, "int8": 0.15}
QUANTIZED = ("functional", "dict", "vit", "text", "mobile", "preprocessing", "lstm")


def worst(model, path, data):
    expected = model_outputs(model, signature_of(model), data)
    answered = OnnxRunner(path)(data)
    assert list(answered) == sorted(expected)
    return max(np.abs(answered[n] - expected[n]).max() for n in expected)


@pytest.mark.parametrize("kind", ALL)
def test_the_file_answers_as_the_student_under_the_same_names(kind, tmp_path):
    model = ALL[kind]()
    data = data_for(model, 20)
    result = export_onnx(model, tmp_path / "s.onnx")
    tolerance = 3e-5 if kind == "mobile" else 1e-5
    assert worst(model, result.path, data) < tolerance
    proto = onnx.load(result.path)
    assert graph.foreign_operators(proto) == []
    assert [i.name for i in proto.graph.input] == signature_of(model).names
    for end in (*proto.graph.input, *proto.graph.output):
        assert end.type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("kind", QUANTIZED)
@pytest.mark.parametrize("recipe", ["dynamic_int8", "int8"])
def test_a_quantized_file_answers_nearly_so(kind, recipe, tmp_path):
    model = ALL[kind]()
    data = data_for(model)
    result = export_onnx(model, tmp_path / "s.onnx", recipe, data)
    size = result.report["probe"]["largest_output"]
    assert worst(model, result.path, data) < TOLERANCE[recipe] * max(size, 1.0)
    assert graph.foreign_operators(onnx.load(result.path)) == []
    if recipe == "int8":
        assert result.report["tensor_dtypes"]["INT8"] > 0
        assert result.report["calibration_samples"] == 120


@pytest.mark.parametrize("kind", LOOPS)
def test_loops_are_quantized_dynamically_or_refused(kind, tmp_path):
    """Some of them end onnxruntime's process when int8 tensors surround them."""
    model = LOOPS[kind]()
    data = data_for(model)
    result = export_onnx(model, tmp_path / "s.onnx", "dynamic_int8")
    assert worst(model, result.path, data) < 0.05
    with pytest.raises(ValueError, match="run as a loop.*unroll=True"):
        export_onnx(model, tmp_path / "i.onnx", "int8", data)
    assert not (tmp_path / "i.onnx").exists()


def test_the_exact_gelu_has_no_erfc(tmp_path):
    """`Model.export(format="onnx")` writes an operator that ONNX does not have."""
    result = export_onnx(vision_transformer(), tmp_path / "s.onnx")
    assert result.report["operators"]["Erf"] == 1
    assert "Erfc" not in result.report["operators"]


def test_statistics_become_constants_and_the_model_stays_as_it_was(tmp_path):
    """`Model.export(format="onnx")` makes inputs of them, and augments."""
    model = preprocessing()
    (layer,) = (n for n in model.layers if isinstance(n, layers.Normalization))
    before = layer.mean, layer.variance
    result = export_onnx(model, tmp_path / "s.onnx")
    assert [i["name"] for i in result.report["inputs"]] == ["image"]
    assert layer.mean is before[0] and layer.variance is before[1]
    assert not any("Random" in name for name in result.report["operators"])


def test_a_model_never_called_is_exported_and_one_never_built_refused(tmp_path):
    never_called = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(2)])
    export_onnx(never_called, tmp_path / "s.onnx")
    with pytest.raises(ValueError, match="is not built"):
        export_onnx(Subclassed(), tmp_path / "t.onnx")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_rebuilt_and_said(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = two_by_dict()
    result = export_onnx(model, tmp_path / "s.onnx")
    assert "Rebuilt with float32" in result.report["notes"][0]
    assert worst(model, result.path, data_for(model, 9)) < 0.05


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_a_static_batch(recipe, tmp_path):
    model = cnn()
    data = data_for(model, 121)
    result = export_onnx(model, tmp_path / "s.onnx", recipe, data, batch_size=4)
    assert result.report["inputs"][0]["shape"] == [4, 8, 8, 1]
    assert OnnxRunner(result.path).batch_size == 4
    assert worst(model, result.path, data) < TOLERANCE[recipe]


def test_open_sizes_stay_open(tmp_path):
    model = open_sizes()
    result = export_onnx(model, tmp_path / "s.onnx")
    assert result.report["inputs"][0]["shape"] == [None, None, None, 3]
    (entry,) = onnx.load(result.path).graph.input
    names = [axis.dim_param for axis in entry.type.tensor_type.shape.dim]
    assert names == ["batch", "image_1", "image_2", ""]
    for size in (5, 9):
        image = np.random.default_rng(0).random((2, size, size + 1, 3), "float32")
        assert worst(model, result.path, {"image": image}) < 1e-5


@pytest.mark.parametrize("opset", [13, 17])
def test_an_older_opset(opset, tmp_path):
    model = mobile()
    result = export_onnx(model, tmp_path / "s.onnx", opset=opset)
    assert result.report["opset"] == opset
    assert worst(model, result.path, data_for(model, 5)) < 3e-5


def test_the_report_describes_the_file_and_leaves_that_of_tflite_alone(tmp_path):
    (tmp_path / "s.report.json").write_text("of s.tflite")
    model = cnn()
    result = export_onnx(model, tmp_path / "s.onnx", "int8", data_for(model))
    report = json.loads((tmp_path / "s.onnx.report.json").read_text())
    assert report == result.report
    content = result.path.read_bytes()
    assert report["bytes"] == len(content)
    assert report["sha256"] == hashlib.sha256(content).hexdigest()
    assert report["float_islands"] == [] and report["notes"] == []
    assert report["outputs"] == [
        {
            "name": report["outputs"][0]["name"],
            "shape": [None, 3],
            "dtype": "float32",
            "scale": None,
            "zero_point": None,
        }
    ]
    assert set(report["libraries"]) >= {"onnx", "onnxruntime", "tf2onnx"}
    assert (tmp_path / "s.report.json").read_text() == "of s.tflite"
    recipe = Recipe.from_json(tmp_path / "s.onnx.recipe.json")
    assert recipe == result.recipe and recipe.io == ("float32",)


def test_recurrent_layers_that_stay_in_floats_are_named(tmp_path):
    model = ALL["lstm"]()
    result = export_onnx(model, tmp_path / "s.onnx", "int8", data_for(model))
    assert [i["operator"] for i in result.report["float_islands"]] == ["LSTM"]
    assert "still compute with floats: LSTM" in result.report["notes"][0]


def test_dynamic_int8_quarters_convolutions_too(tmp_path):
    x = keras.Input((8, 8, 16), name="image")
    y = layers.Conv2D(64, 3)(layers.Conv2D(64, 3)(x))
    model = keras.Model(x, layers.GlobalAveragePooling2D()(y))
    full = export_onnx(model, tmp_path / "f.onnx").report["bytes"]
    small = export_onnx(model, tmp_path / "d.onnx", "dynamic_int8").report
    assert small["bytes"] < 0.3 * full
    assert "DequantizeLinear" not in small["operators"]
    assert small["probe"]["max_error"] < 0.05 * small["probe"]["largest_output"]


def test_metadata_goes_into_the_properties(tmp_path):
    metadata = Metadata("Digits", license="MIT", labels=list("abc"), mean=0, std=255)
    result = export_onnx(cnn(), tmp_path / "s.onnx", metadata=metadata)
    found = read_metadata(result)
    assert found["name"] == "Digits" and found["recipe"] == "float32"
    assert found["labels"] == {result.report["outputs"][0]["name"]: list("abc")}
    assert found["mean"] == [0.0] and found["std"] == [255.0]
    with pytest.raises(ValueError, match="must be 3, one for each class"):
        export_onnx(cnn(), tmp_path / "t.onnx", metadata=Metadata("x", labels=["a"]))
    assert not (tmp_path / "t.onnx").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"recipe": "float16"}, r"one of \['float32', 'dynamic_int8', 'int8'\]"),
        ({"recipe": "weight_only_int8"}, "or compute as one of them"),
        ({"recipe": "auto"}, "Received: 'auto'"),
        ({"recipe": "int8"}, "`representative_data` is needed"),
        ({"opset": 12}, "`opset` must be one of"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"path": "s.tflite"}, "must end in '.onnx'"),
        ({"metadata": {}}, "`metadata` must be a Metadata"),
    ],
)
def test_bad_arguments_are_refused(arguments, message, tmp_path):
    path = tmp_path / arguments.pop("path", "s.onnx")
    with pytest.raises((ValueError, TypeError), match=message):
        export_onnx(cnn(), path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_of_ones_own_is_followed_by_what_it_computes(tmp_path):
    mine = Recipe("mine", "", "int8", "int8", ("uint8",))
    model = cnn()
    result = export_onnx(model, tmp_path / "s.onnx", mine, data_for(model))
    assert result.report["recipe"] == "mine"
    assert result.report["operators"]["QuantizeLinear"] > 0


def test_a_file_is_replaced_only_on_request(tmp_path):
    export_onnx(cnn(), tmp_path / "s.onnx")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_onnx(cnn(), tmp_path / "s.onnx")
    export_onnx(cnn(), tmp_path / "s.onnx", overwrite=True)


def test_an_operator_that_onnx_does_not_have_is_named(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.ops.erfinv(keras.ops.tanh(x)))
    with pytest.raises(ExportError, match="ONNX has no operator for Erfinv"):
        export_onnx(model, tmp_path / "s.onnx")
    assert list(tmp_path.iterdir()) == []


def test_nan_weights_are_refused(tmp_path):
    model = cnn()
    model.layers[-1].set_weights([w * np.nan for w in model.layers[-1].get_weights()])
    with pytest.raises(ExportError, match="NaN or infinite.*model are too"):
        export_onnx(model, tmp_path / "s.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_told(tmp_path, monkeypatch):
    from keras_kd.export.onnx import export

    honest = export.convert

    def wrong(*args):
        proto = honest(*args)
        for tensor in proto.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                values = onnx.numpy_helper.to_array(tensor) * 1.001
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return proto

    monkeypatch.setattr(export, "convert", wrong)
    with pytest.warns(UserWarning, match="float32 file misses the model"):
        export_onnx(cnn(), tmp_path / "s.onnx")


def test_without_the_extra_the_pip_line_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-kd\[onnx\]'"):
        export_onnx(cnn(), tmp_path / "s.onnx")


def test_nothing_is_said_while_all_is_well(tmp_path, capfd):
    model = masked()
    export_onnx(model, tmp_path / "s.onnx", "dynamic_int8")
    OnnxRunner(tmp_path / "s.onnx")(data_for(model, 2))
    assert capfd.readouterr() == ("", "")
