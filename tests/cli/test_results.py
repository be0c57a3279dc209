"""`distill`, `export`, `benchmark` and `taps`: what they print and leave."""

import json
import re

import keras
import pytest
from keras import layers

from keras_kd import export
from keras_kd.cli.taps import list_taps
from keras_kd.export.metadata import read_metadata
from tests.cli.words import distill, report_in


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


def test_taps_lists_what_attention_has_inside():
    inputs = keras.Input((4, 8))
    attention = layers.MultiHeadAttention(2, 4, name="mha")
    model = keras.Model(inputs, attention(inputs, inputs))
    shapes = {tap.path: tap.shape for tap in list_taps(model)}
    assert shapes["mha@queries"] == "(None, 4, 2, 4)"
    assert shapes["mha@attention_scores"] == "(None, 2, 4, 4)"
