"""The command line: what it prints, what it refuses, what it leaves when stopped."""

import importlib.metadata
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import warnings
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import cli, export
from keras_kd.cli import arguments, commands
from keras_kd.cli.taps import list_taps
from keras_kd.export.metadata import read_metadata

CLASSES = ("circle", "line", "square")


def network(width, name, activation=None, side=8):
    keras.utils.set_random_seed(width)
    return keras.Sequential(
        [
            keras.Input((side, side, 1), name="image"),
            layers.Conv2D(width, 3, strides=2, activation="relu", name="body"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation=activation, name="head"),
        ],
        name=name,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher, a student and data, as files."""
    folder = tmp_path_factory.mktemp("cli")
    network(16, "wide").save(folder / "teacher.keras")
    network(4, "narrow").save(folder / "student.keras")
    network(16, "softmax", "softmax", side=12).save(folder / "softmax.keras")
    rng = np.random.default_rng(0)
    x = rng.random((192, 8, 8, 1), "float32")
    y = np.arange(192) % 3
    np.savez(folder / "data.npz", x=x, y=y, class_names=np.array(CLASSES))
    return folder


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """Runs the command in the folder: (exit code, output, errors)."""
    monkeypatch.chdir(folder)

    def call(*argv):
        code = cli.main([str(word) for word in argv])
        return (code, *capsys.readouterr())

    return call


def report_in(out):
    """What the report says, if there is one yet."""
    path = out / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def distill(out, *more, teacher="teacher.keras"):
    return [
        "distill", "--teacher", teacher, "--student", "student.keras",
        "--data", "data.npz", "--out", out, "--epochs", "1", "--batch-size", "32",
        *more,
    ]  # fmt: skip


VERIFY = ["verify", "student.keras", "student.keras", "--data", "data.npz"]


def test_distill_leaves_a_folder_of_results(call, tmp_path):
    out = tmp_path / "out"
    more = ("--labelled", "12", "--hint", "body=body", "--hint-weight", "1")
    code, printed, _ = call(*distill(out, *more, "--recipes", "float32,int8"))
    assert code == 0
    assert str(out / "report.html") in printed
    assert "without teacher" in printed and "student_int8.tflite" in printed
    names = {path.name for path in out.iterdir()}
    assert {"student.keras", "student_float32.tflite", "report.html"} <= names
    report = report_in(out)
    assert report["missing"] == []
    assert report["dataset"]["labelled"] == 12
    assert report["command"].startswith("keras-kd distill --teacher teacher.keras")
    assert {"hint_body", "kl_distillation"} <= set(report["history"]["student"])
    assert [row["recipe"] for row in report["artifacts"]] == ["float32", "int8"]
    page = (out / "report.html").read_text()
    assert "student_int8.tflite" in page and "circle" in page

    code, _, said = call(*distill(out))
    assert code == 2
    assert "earlier run" in said and "--overwrite" in said and "=True" not in said
    assert report_in(out) == report

    (out / "report.html").unlink()
    code, printed, _ = call("report", out)
    assert (code, printed.strip()) == (0, str(out / "report.html"))
    assert (out / "report.html").read_text() == page

    more = ("--overwrite", "--quiet", "--no-baseline", "--recipes", "none")
    code, printed, _ = call(*distill(out, *more, teacher="softmax.keras"))
    assert (code, printed) == (0, "")
    report = report_in(out)
    assert report["teacher"]["name"] == "softmax" and "baseline" not in report
    assert not list(out.glob("*.tflite"))


def test_a_file_that_fails_is_told_and_the_rest_kept(call, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise export.ExportError("no operator for it")

    monkeypatch.setattr(export, "export_tflite", fail)
    more = ("--no-baseline", "--recipes", "float16", "--quiet")
    code, _, said = call(*distill(tmp_path / "out", *more))
    assert code == 2
    assert said.startswith("keras-kd: error: 1 of 1 files could not be made.")
    assert "float16: no operator for it" in said
    assert (tmp_path / "out" / "student.keras").is_file()


def test_export_verify_and_benchmark(call, tmp_path):
    code, printed, _ = call(
        "export", "student.keras", "--out", tmp_path, "--recipe", "float32",
        "--recipe", "int8", "--io", "uint8", "--data", "data.npz",
    )  # fmt: skip
    assert code == 0
    assert "agreement" in printed and "student_int8.tflite" in printed
    file = tmp_path / "student_int8.tflite"

    code, printed, _ = call("verify", "student.keras", file, "--data", "data.npz")
    assert code == 0 and "UINT8" in printed and "agreement" in printed
    code, printed, _ = call(
        "verify", "student.keras", file, "--data", "data.npz", "--json"
    )
    assert json.loads(printed)["tensor_dtypes"]["UINT8"] == 2

    code, printed, _ = call("benchmark", file, "--threads", "1")
    assert code == 0 and "p99 ms" in printed
    code, printed, _ = call("benchmark", file, "--threads", "1", "--json")
    assert set(json.loads(printed)["latency_ms"]) == {"1"}

    before = file.stat()
    code, _, said = call(
        "export", "student.keras", "--out", tmp_path, "--recipe", "float16",
        "--recipe", "int8", "--data", "data.npz",
    )  # fmt: skip
    assert code == 2 and "--overwrite" in said
    assert file.stat() == before and not (tmp_path / "student_float16.tflite").exists()


def test_export_to_one_file_of_any_batch(call, tmp_path):
    file = tmp_path / "new" / "one.tflite"
    code, printed, _ = call(
        "export", "student.keras", "--out", file, "--batch-size", "dynamic"
    )
    assert code == 0 and str(file) in printed
    report = json.loads((tmp_path / "new" / "one.report.json").read_text())
    # What `auto` chose, without data to calibrate on.
    assert report["recipe"] == "dynamic_int8" and "dynamic_int8" in printed
    assert report["inputs"][0]["shape"][0] is None


def test_auto_with_data_is_int8_and_names_the_file(call, tmp_path):
    code, printed, _ = call(
        "export", "student.keras", "--out", tmp_path, "--data", "data.npz"
    )
    assert code == 0
    titles, row = (re.split(r"  +", line) for line in printed.splitlines()[:2])
    assert titles[:3] == ["file", "recipe", "bytes"]
    assert row[:2] == [str(tmp_path / "student_auto.tflite"), "int8"]


def test_what_is_written_into_the_file(call, tmp_path):
    (tmp_path / "labels.txt").write_text("circle\nline\n\nsquare\n")
    code, _, said = call(
        "export", "student.keras", "--out", tmp_path / "s.tflite",
        "--recipe", "float32", "--label-file", tmp_path / "labels.txt",
        "--name", "Shapes", "--author", "Ada", "--license", "MIT",
        "--mean", "0", "--std", "255",
    )  # fmt: skip
    assert code == 0, said
    found = read_metadata(tmp_path / "s.tflite")
    for word in ("Shapes", "Ada", "MIT", "circle", "square"):
        assert word in str(found)


def test_grey_students_take_colours(call, tmp_path):
    code, printed, said = call(
        "export", "student.keras", "--out", tmp_path, "--recipe", "float32",
        "--recipe", "int8", "--rgb", "--data", "data.npz",
    )  # fmt: skip
    assert code == 0, said
    report = json.loads((tmp_path / "student_int8.report.json").read_text())
    assert report["inputs"][0]["shape"] == [1, 8, 8, 3]
    assert "100.0 %" in printed


def test_the_softmax_of_an_int8_file_in_float32(call, tmp_path):
    code, _, said = call(
        "export", "softmax.keras", "--out", tmp_path / "s.tflite", "--recipe", "int8",
        "--float-softmax", "--io", "float32", "--data", "data.npz",
    )  # fmt: skip
    assert code == 0, said
    verify = ("verify", "softmax.keras", tmp_path / "s.tflite", "--data", "data.npz")
    code, printed, _ = call(*verify, "--int8-only")
    assert code == 1 and "FAILED  int8 only" in printed and "SOFTMAX" in printed


def test_onnx_is_exported_verified_and_measured(call, tmp_path):
    pytest.importorskip("onnxruntime")
    file = tmp_path / "s.onnx"
    code, printed, said = call(
        "export", "student.keras", "--out", file, "--data", "data.npz"
    )
    assert code == 0, said
    assert "float32" in printed and "100.0 %" in printed
    verify = ("verify", "student.keras", file, "--data", "data.npz")
    code, printed, said = call(*verify, "--max-latency-ratio", "99", "--worst", "2")
    assert code == 0, (printed, said)
    assert "Conv" in printed and "gate: passed" in printed and "#" in printed
    code, printed, _ = call(*verify, "--int8-only")
    assert code == 1 and "only a .tflite file tells" in printed
    code, printed, _ = call("benchmark", file, "--threads", "1")
    assert code == 0 and "p99 ms" in printed
    code, _, _ = call("export", "student.keras", "--out", tmp_path, "--onnx")
    assert code == 0 and (tmp_path / "student_float32.onnx").is_file()


@pytest.fixture(scope="module")
def gated(folder):
    """An int8 file of the student, and one of other weights."""
    data = np.load(folder / "data.npz")["x"]
    model = keras.models.load_model(folder / "student.keras")
    export.export_tflite(model, folder / "right.tflite", "int8", data)
    kernel = model.get_layer("head").kernel
    kernel.assign(-np.array(kernel.value))
    export.export_tflite(model, folder / "wrong.tflite", "int8", data)
    kernel.assign(np.nan * np.array(kernel.value))
    with pytest.raises(export.ExportError):
        export.export_tflite(model, folder / "nan.tflite", "float32", data)
    broken = (folder / "right.tflite").read_bytes()
    (folder / "cut.tflite").write_bytes(broken[: len(broken) // 2])
    return ("verify", "student.keras", "right.tflite", "--data", "data.npz")


def cases_in(path):
    """Names and failures of a JUnit file."""
    (suite,) = ElementTree.parse(path).getroot()
    found = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    assert int(suite.get("tests")) == len(found)
    return {name: failure is None for name, failure in found.items()}


def test_a_gate_that_is_passed(gated, call, tmp_path):
    files = [tmp_path / name for name in ("v.html", "v.xml", "v.json")]
    code, printed, _ = call(
        *gated, "--max-accuracy-drop", "5", "--max-bytes", "9999", "--int8-only",
        "--int8-strict", "--layers", "--worst", "3", "--latency", "1",
        "--html", files[0], "--junit", files[1], "--json", files[2],
    )  # fmt: skip
    assert code == 0, printed
    for wanted in ("gate: passed", "layers\n", "worst inputs\n", "XNNPACK", "p90"):
        assert wanted in printed
    assert printed.splitlines()[-3:] == [str(files[2]), str(files[1]), str(files[0])]
    assert cases_in(files[1]) == {
        "verification": True, "accuracy drop": True, "bytes": True,
        "int8 only, strict": True,
    }  # fmt: skip
    fields = json.loads(files[2].read_text())
    assert fields["gate"]["passed"] and fields["data"] == "data"
    assert fields["worst"][0]["label_name"] in CLASSES
    page = files[0].read_text()
    assert page.count("data:image/png") == 3 and "Layer by layer" in page
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_a_gate_that_fails(gated, call, tmp_path):
    wrong = ["wrong.tflite" if word == "right.tflite" else word for word in gated]
    code, printed, said = call(
        *wrong, "--min-agreement", "0.99", "--max-bytes", "10",
        "--max-latency-ratio", "0.000001", "--junit", tmp_path / "v.xml",
    )  # fmt: skip
    assert (code, said) == (1, "")
    assert "gate: FAILED" in printed and "at most 10 allowed" in printed
    assert cases_in(tmp_path / "v.xml") == dict.fromkeys(
        ("verification", "agreement", "bytes", "latency ratio"), False
    )


def test_a_file_of_other_weights_is_no_success_without_limits_too(gated, call):
    wrong = ["wrong.tflite" if word == "right.tflite" else word for word in gated]
    code, printed, _ = call(*wrong)
    assert code == 1 and "zeros would be as near" in printed


@pytest.mark.parametrize("name", ["cut", "other"])
def test_a_file_that_is_refused_fails_the_gate(name, gated, call, folder, tmp_path):
    if name == "other":
        model = keras.Sequential([keras.Input((5,), name="x"), layers.Dense(2)])
        export.export_tflite(model, folder / "other.tflite", "float32", overwrite=True)
    words = [f"{name}.tflite" if word == "right.tflite" else word for word in gated]
    more = ("--max-bytes", "99999", "--json", "--junit", tmp_path / "v.xml")
    code, printed, _ = call(*words, *more)
    assert code == 1
    assert json.loads(printed)["gate"]["passed"] is False
    assert cases_in(tmp_path / "v.xml") == {"verification": False}


def test_a_reference_and_a_signature_can_be_named(gated, call, folder):
    more = ("--max-latency-ratio", "1000", "--reference", "right.tflite")
    code, printed, _ = call(*gated, *more)
    assert code == 0 and "latency ratio" in printed
    code, _, said = call(*gated, *more[:3], "none.tflite")
    assert code == 2 and "not a file: 'none.tflite'" in said
    code, printed, _ = call(*gated, "--signature", "features")
    assert code == 1 and "signature 'features'" in printed


def test_students_of_any_input_by_name(call, folder, tmp_path):
    keras.utils.set_random_seed(3)
    a, b = keras.Input((4,), name="a"), keras.Input((7,), name="b", dtype="int32")
    tokens = layers.GlobalAveragePooling1D()(layers.Embedding(20, 8)(b))
    head = layers.Dense(3, name="head")(layers.Concatenate()([a, tokens]))
    keras.Model([a, b], head).save(tmp_path / "two.keras")
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "two.npz",
        a=rng.normal(size=(150, 4)).astype("float32"),
        b=rng.integers(0, 20, (150, 7)),
        y=np.arange(150) % 3,
    )
    data = ("--data", tmp_path / "two.npz")
    code, printed, said = call(
        "export", tmp_path / "two.keras", "--out", tmp_path / "two.tflite", *data
    )
    assert code == 0, said
    words = ("verify", tmp_path / "two.keras", tmp_path / "two.tflite", *data)
    code, printed, said = call(
        *words, "--limit", "50", "--max-accuracy-drop", "20", "--worst", "2"
    )
    assert code == 0, (printed, said)
    assert "50 samples of two" in printed and "accuracy drop" in printed


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


def test_taps_of_nested_and_shared_layers():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")], name="in")
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input((4,))
    x = inner(inputs)
    outputs = {"a": shared(x), "b": shared(x + 1.0)}
    model = keras.Model(inputs, outputs)
    taps = {tap.path: tap for tap in list_taps(model)}
    assert taps["in/d"].shape == "(None, 3)" and taps["in/d"].layer == "Dense"
    assert taps["in"].layer == "Sequential"
    assert taps["shared"].shape == "ran more than once"
    assert taps["output"].shape == "(None, 3), (None, 3)"


def test_taps_command(call):
    code, printed, _ = call("taps", "student.keras")
    assert code == 0
    assert printed.splitlines() == [
        "output  Sequential              (None, 3)",
        "body    Conv2D                  (None, 3, 3, 4)",
        "pool    GlobalAveragePooling2D  (None, 4)",
        "head    Dense                   (None, 3)",
    ]


def test_a_warning_is_one_line(call, monkeypatch):
    def warn(arguments, typed):
        warnings.simplefilter("always")
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setitem(commands.COMMANDS, "taps", warn)
    assert call("taps", "x.keras") == (0, "", "keras-kd: warning: two lines\n")


def test_ctrl_c_tells_what_was_kept(call, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export_tflite", stop)
    out = tmp_path / "out"
    code, _, said = call(*distill(out, "--no-baseline", "--recipes", "int8"))
    assert code == 130
    assert f"stopped. In {out} are kept: report.html, report.json" in said
    assert "student.keras" in said
    report = report_in(out)
    assert report["missing"] == ["export int8"]
    assert "Not finished" in (out / "report.html").read_text()


def test_ctrl_c_before_anything(call, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_data", stop)
    code, _, said = call(*distill("nowhere"))
    assert (code, said) == (130, "keras-kd: stopped. Nothing was written.\n")


# A shell without job control starts its background jobs deaf to Ctrl-C, and a test
# run among them hands that down: the terminal's own state comes first.
AS_IN_A_TERMINAL = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "keras-kd"
runpy.run_module("keras_kd", run_name="__main__")
"""


def test_ctrl_c_in_a_terminal(folder, tmp_path):
    out = tmp_path / "out"
    argv = distill(str(out), "--epochs", "100000")
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_TERMINAL, *argv],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        end = time.monotonic() + 100
        while "teacher" not in report_in(out) and time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "student" in printed
    assert f"stopped. In {out} are kept: report.html, report.json" in said
    assert "Traceback" not in said
    report = report_in(out)
    assert "student" in report["missing"] and report["teacher"]["name"] == "wide"


def test_the_installed_command():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="keras-kd")
    assert entry.value == "keras_kd.cli:main"
    command = pathlib.Path(sys.executable).parent / "keras-kd"
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    version = importlib.metadata.version("keras-kd")
    assert (done.returncode, done.stdout) == (0, f"keras-kd {version}\n")


def test_help_imports_nothing_heavy():
    """The installed command: its own help before keras, TensorFlow or numpy."""
    code = """
import sys
sys.argv = ["keras-kd", "distill", "--help"]
from keras_kd.cli import main
try:
    main()
except SystemExit as stopped:
    assert not stopped.code
heavy = {"keras", "tensorflow", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--labelled" in done.stdout


def test_the_command_keeps_tensorflow_quiet(tmp_path):
    command = pathlib.Path(sys.executable).parent / "keras-kd"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [command, "taps", tmp_path / "none.keras"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("keras-kd: error: There is no file")
    assert len(done.stderr.splitlines()) == 1
