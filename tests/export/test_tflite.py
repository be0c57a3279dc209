"""The contract of `export_tflite`: every kind of student, every recipe."""

import hashlib
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd.compress import prune
from keras_kd.export import RECIPES, ExportError, Recipe, export_tflite, schema, verify
from keras_kd.export.metadata import Metadata, read_metadata
from keras_kd.export.runtime import Runner
from tests.export.students import (
    STUDENTS,
    cnn,
    data_for,
    recurrent,
    subclassed,
    tokens,
    two_by_dict,
    two_by_list,
)

TOLERANCE = {
    "float32": 1e-5,
    "float16": 5e-3,
    "dynamic_int8": 0.05,
    "int8": 0.15,
    "int16x8": 0.02,
    "weight_only_int8": 0.05,
    "weight_only_int4": 0.5,
}


FURTHER = ("int16x8", "weight_only_int8", "weight_only_int4")


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        (kind, recipe)
        for kind in STUDENTS
        for recipe in RECIPES
        if recipe not in FURTHER or kind == "dict"
    ],
)
def test_the_file_answers_as_the_student_under_the_same_names(kind, recipe, tmp_path):
    model = STUDENTS[kind]()
    data = data_for(model)
    result = export_tflite(model, tmp_path / "s.tflite", recipe, data)
    report = verify(model, result, data, limit=40)
    assert report.samples == 40
    assert report.max_error < TOLERANCE[recipe]
    names = [tensor["name"] for tensor in result.report["inputs"]]
    assert sorted(names) == sorted(data)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_io_is_the_type_of_float_ends_and_tokens_stay(io, tmp_path):
    for make, entry in ((cnn, io), (tokens, "int32")):
        model = make()
        path = tmp_path / f"{make.__name__}.tflite"
        result = export_tflite(model, path, "int8", data_for(model), io=io)
        assert result.report["inputs"][0]["dtype"] == entry
        assert result.report["outputs"][0]["dtype"] == io
        assert (result.report["outputs"][0]["scale"] is None) == (io == "float32")
        assert verify(model, path, data_for(model)).max_error < 0.15


def test_inputs_of_one_shape_are_not_exchanged(tmp_path):
    model = two_by_list()
    result = export_tflite(model, tmp_path / "s.tflite")
    batch = data_for(model, 3)
    first, second = model([batch["b"], batch["a"]])
    answered = Runner(result.path)(batch)
    np.testing.assert_allclose(answered["first"], first, atol=1e-5)
    np.testing.assert_allclose(answered["second"], second, atol=1e-5)


@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_another_batch_size(batch_size, recipe, tmp_path):
    model = cnn()
    data = data_for(model, 121)
    path = tmp_path / "s.tflite"
    result = export_tflite(model, path, recipe, data, batch_size=batch_size)
    assert result.report["inputs"][0]["shape"] == [batch_size, 8, 8, 1]
    report = verify(model, path, data, batch_size=50)
    assert report.samples == 121
    assert report.max_error < TOLERANCE[recipe]


def test_what_only_training_needs_stays_behind(tmp_path):
    x = keras.Input((8, 8, 3))
    y = layers.RandomFlip()(layers.RandomRotation(0.2)(layers.GaussianNoise(1.0)(x)))
    y = layers.Dropout(0.5)(layers.Conv2D(4, 3)(y))
    model = keras.Model(x, layers.BatchNormalization()(y))
    result = export_tflite(model, tmp_path / "s.tflite")
    assert list(result.report["operators"]) == ["CONV_2D"]
    assert verify(model, result, data_for(model)).max_error < 1e-5


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_rebuilt_and_said(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = two_by_dict()
    result = export_tflite(model, tmp_path / "s.tflite")
    assert "Rebuilt with float32" in result.report["notes"][0]
    assert set(result.report["tensor_dtypes"]) <= {"FLOAT32", "INT32"}
    assert verify(model, result, data_for(model)).max_error < 0.05


def test_the_report_describes_the_file(tmp_path):
    model = cnn(classes=40)
    data = data_for(model)
    result = export_tflite(model, tmp_path / "deep" / "s.tflite", "int8", data)
    report = json.loads((tmp_path / "deep" / "s.report.json").read_text())
    assert report == result.report
    content = result.path.read_bytes()
    assert report["bytes"] == len(content)
    assert report["sha256"] == hashlib.sha256(content).hexdigest()
    assert report["operators"] == {"CONV_2D": 1, "FULLY_CONNECTED": 1, "RESHAPE": 1}
    assert report["calibration_samples"] == 120
    assert report["float_islands"] == [] and report["notes"] == []
    assert report["libraries"]["keras"] == keras.__version__
    (entry,) = report["inputs"]
    assert entry["name"] == "image" and entry["shape"] == [1, 8, 8, 1]
    assert entry["dtype"] == "int8" and entry["scale"] > 0
    recipe = Recipe.from_json(tmp_path / "deep" / "s.recipe.json")
    assert recipe == result.recipe == RECIPES["int8"]


def test_float_islands_are_named(tmp_path):
    x = keras.Input((8,))
    y = layers.LayerNormalization()(layers.Dense(16)(x))
    model = keras.Model(x, layers.Dense(2)(y))
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data_for(model))
    assert {island["operator"] for island in result.report["float_islands"]} == {"NEG"}
    assert "still compute with floats: NEG" in result.report["notes"][0]


def test_a_recipe_that_changed_nothing_is_said(tmp_path):
    result = export_tflite(cnn(), tmp_path / "s.tflite", "dynamic_int8")
    assert "No weight became int8" in result.report["notes"][0]


def test_a_recipe_from_a_file(tmp_path):
    mine = Recipe("mine", "", "int8", "int8", ("uint8",))
    mine.to_json(tmp_path / "mine.json")
    model = cnn()
    result = export_tflite(
        model, tmp_path / "s.tflite", tmp_path / "mine.json", data_for(model)
    )
    assert result.recipe == mine
    assert result.report["inputs"][0]["dtype"] == "uint8"


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic_int8"])
@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU])
def test_a_loop_is_exported_in_floats(layer, recipe, tmp_path):
    model = recurrent(layer=layer)
    result = export_tflite(model, tmp_path / "s.tflite", recipe)
    assert result.report["operators"]["WHILE"] == 1
    assert verify(model, result, data_for(model)).max_error < TOLERANCE[recipe]


def test_a_loop_is_refused_before_the_converter_crashes(tmp_path):
    path = tmp_path / "s.tflite"
    model = recurrent()
    with pytest.raises(ValueError, match=r"\['lstm'\] run as a loop.*unroll=True"):
        export_tflite(model, path, "int8", data_for(model))
    with pytest.raises(ValueError, match="needs a static batch"):
        export_tflite(model, path, batch_size=None)
    x = keras.Input((4,))
    y = layers.Lambda(
        lambda t: keras.ops.while_loop(
            lambda u: keras.ops.all(keras.ops.abs(u) < 9), lambda u: (2 * u + 1,), (t,)
        )[0]
    )(x)
    with pytest.raises(ValueError, match="the model runs as a loop"):
        export_tflite(keras.Model(x, y), path, "int8", np.ones((100, 4)))
    assert not list(tmp_path.iterdir())


def test_recurrent_layers_keep_their_choice_of_kernel(tmp_path):
    model = recurrent()
    export_tflite(model, tmp_path / "s.tflite")
    assert model.layers[1].use_cudnn == "auto"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"recipe": "int9"}, ValueError, "must be one of.*Did you mean 'int8'"),
        ({"recipe": "int8"}, ValueError, "`representative_data` is needed"),
        ({"io": "uint8"}, ValueError, r"`io` must be one of \['float32'\]"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive integer"),
        ({"path": "student.lite"}, ValueError, "must end in '.tflite'"),
        ({"path": 3}, TypeError, "`path` must be a path"),
        (
            {"recipe": "int8", "representative_data": {"img": np.ones((200, 8, 8, 1))}},
            ValueError,
            "no input 'img'",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence, tmp_path):
    with pytest.raises(error, match=sentence):
        export_tflite(cnn(), **{"path": tmp_path / "s.tflite", **arguments})
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "s.tflite"
    export_tflite(cnn(), path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_tflite(cnn(), path, "float16")
    assert path.read_bytes() == before
    export_tflite(cnn(), path, "float16", overwrite=True)
    assert path.read_bytes() != before
    names = {"s.tflite", "s.recipe.json", "s.report.json"}
    assert {p.name for p in tmp_path.iterdir()} == names


def test_few_samples_are_warned_about(tmp_path):
    model = cnn()
    with pytest.warns(UserWarning, match="holds 16 sample") as caught:
        export_tflite(model, tmp_path / "s.tflite", "int8", data_for(model, 16))
    assert caught[0].filename == __file__


def test_an_operator_outside_the_built_ins_is_an_error(tmp_path, capfd):
    x = keras.Input((4,))
    model = keras.Model(x, keras.ops.erf(layers.Dense(2)(x)))
    with pytest.raises(ExportError, match="no built-in operator for Erf"):
        export_tflite(model, tmp_path / "s.tflite")
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_a_model_of_nan_leaves_no_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "s.tflite"
    model = subclassed()
    export_tflite(model, path)
    before = path.read_bytes()
    model.head.kernel.assign(np.full((4, 2), np.nan))
    with pytest.raises(ExportError, match=r"so are \['score'\] of the model itself"):
        export_tflite(model, path, overwrite=True)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 3


def test_representative_data_is_what_a_float_file_is_tried_on(tmp_path):
    x = keras.Input((2,))
    model = keras.Model(x, keras.ops.log(x - 5.0))
    path = tmp_path / "s.tflite"
    with pytest.raises(ExportError, match="hand in `representative_data`"):
        export_tflite(model, path)
    export_tflite(model, path, representative_data=np.full((3, 2), 6.0))
    with pytest.raises(ValueError, match="holds no sample"):
        export_tflite(model, path, "float16", np.ones((0, 2)), overwrite=True)


def test_a_file_that_misses_the_model_is_warned_about(tmp_path):
    class TwoFaced(layers.Layer):
        def call(self, inputs):
            return inputs * (1.0 if tf.executing_eagerly() else 2.0)

    x = keras.Input((4,))
    model = keras.Model(x, TwoFaced()(layers.Dense(2)(x)))
    with pytest.warns(UserWarning, match="misses the model by"):
        export_tflite(model, tmp_path / "s.tflite")


def test_masks_and_centroids_are_baked_in(tmp_path):
    model = prune(cnn(classes=40), 0.8, skip=[], min_weights=1)
    result = export_tflite(model, tmp_path / "s.tflite", "float32")
    assert result.report["notes"] == []
    assert verify(model, result, data_for(model)).max_error < 1e-5
    contents = schema.load(result.path)
    (kernel,) = (
        np.frombuffer(bytes(contents.buffers[tensor.buffer].data), "float32")
        for tensor in contents.subgraphs[0].tensors
        if list(tensor.shape) == [40, 144]
    )
    assert (kernel == 0).mean() > 0.75


def test_metadata_is_in_the_file_that_is_tried(tmp_path):
    model = cnn()
    card = Metadata("digits", labels=["a", "b", "c"])
    result = export_tflite(
        model, tmp_path / "s.tflite", "float16", metadata=card, float_softmax=False
    )
    assert read_metadata(result)["name"] == "digits"
    assert b"labels" in result.path.read_bytes()
    assert verify(model, result, data_for(model)).max_error < 5e-3


def test_the_package_adds_nothing_heavy_to_an_import_of_keras():
    code = (
        "import sys, keras, tensorflow; before = set(sys.modules);"
        "import keras_kd.export;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    added = set(done.stdout.split())
    assert not added & {"ai_edge_litert", "flatbuffers", "tf2onnx", "matplotlib"}
