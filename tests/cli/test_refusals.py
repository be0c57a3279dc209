"""What the command refuses, in one line."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import cli
from keras_kd.cli import arguments
from tests.cli.words import VERIFY, distill


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["taps", "none.keras"], "There is no file 'none.keras'"),
        (["taps", "data.npz"], "Expected a .keras file. Received: 'data.npz'"),
        (["report", "."], "There is no report to read: 'report.json'"),
        (["benchmark", "none.tflite"], "not a file: 'none.tflite'"),
        (["verify", "student.keras", "data.npz", "--data", "data.npz"], "TFL3"),
        (["export", "student.keras", "--out", "x", "--recipe", "int7"], "'int8'?"),
        (["export", "student.keras", "--out", "x", "--recipe", "int8"], "--data"),
        (["export", "student.keras", "--out", "x", "--io", "int8"], "io='int8'"),
        (
            ["export", "student.keras", "--out", "x.tflite"]
            + ["--recipe", "float32", "--recipe", "float16"],
            "--out must be a folder",
        ),
        (
            ["export", "student.keras", "--out", "x"]
            + ["--recipe", "float32", "--recipe", "float32"],
            "twice",
        ),
        (["export", "student.keras", "--out", "x.tflite", "--onnx"], "--onnx writes"),
        (["export", "student.keras", "--out", "x", "--onnx", "--io", "int8"], "--io"),
        (VERIFY + ["--min-agreement", "99"], "a share, above 0 and at most 1"),
        (VERIFY + ["--max-bytes", "-3"], "`max_bytes` must be a positive integer"),
        (VERIFY + ["--worst", "-1"], "`--worst` must be a positive integer"),
        (distill("x", "--data", "digit"), "Did you mean 'digits'?"),
        (distill("x", "--hint", "boody=body"), "Did you mean 'body'?"),
        (distill("x", "--temperature", "-1"), "`temperature` must be positive"),
        (distill("x", "--recipes", "int7"), "`recipe` must be one of"),
        (distill("x", "--epochs", "0"), "`epochs` must be a positive integer"),
        (distill("x", teacher="none.keras"), "There is no file 'none.keras'"),
    ],
)
def test_errors_are_one_line(argv, sentence, call, folder):
    code, printed, said = call(*argv)
    assert (code, printed) == (2, "")
    assert said.startswith("keras-kd: error: ") and said.count("\n") == 1
    assert sentence in said
    assert not (folder / "x").exists()


def test_debug_shows_the_traceback(call):
    code, _, said = call("taps", "none.keras", "--debug")
    assert code == 2 and "Traceback" in said and said.count("keras-kd: error:") == 1


def test_code_in_a_model_is_refused(call, folder):
    path = folder / "lambda.keras"
    inputs = keras.Input((2,))
    outputs = layers.Lambda(lambda x: x + 1, output_shape=(2,))(inputs)
    keras.Model(inputs, outputs).save(path)
    code, _, said = call("taps", path)
    assert code == 2 and "Lambda" in said and said.count("\n") == 1


def test_an_npz_of_objects_is_not_unpickled(call, folder):
    objects = np.array([{"a": 1}, None], dtype=object)
    np.savez(folder / "objects.npz", x=objects, y=np.arange(2), allow_pickle=True)
    code, _, said = call(*distill("x", "--data", "objects.npz"))
    assert code == 2 and "plain arrays" in said


@pytest.mark.parametrize(
    "argv",
    [
        ["distill"],
        ["taps"],
        ["frobnicate"],
        distill("x", "--hint", "body"),
        distill("x", "--image-size", "3x4x5"),
        distill("x", "--over"),
        ["benchmark", "x", "--threads", "one"],
        ["export", "x.keras", "--out", "y", "--batch-size", "some"],
        # An option that takes the next word must not write over it.
        ["verify", "--json", "student.keras", "s.tflite", "--data", "d"],
        ["verify", "student.keras", "s.tflite", "--data", "d", "--junit", "out.html"],
        ["verify", "student.keras", "s.tflite", "--data", "d", "--max-bytes", "1.5"],
    ],
)
def test_usage_errors(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(argv)
    assert stopped.value.code == 2
    assert "keras-kd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("96x128", (96, 128)), ("32", (32, 32)), ("8X8", (8, 8))]
)
def test_image_sizes(text, size):
    argv = ["verify", "m", "f", "--data", "d", "--image-size", text]
    assert arguments.parser().parse_args(argv).image_size == size
