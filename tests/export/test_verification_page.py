"""The page of one verified file, and what newer folders' pages show."""

import numpy as np
import pytest

from keras_kd.export import Gate, export_tflite, verify
from keras_kd.export.page import render, verification_page
from keras_kd.export.page.bars import Bar, decibel_chart
from tests.export.students import cnn, data_for, tokens
from tests.export.test_report import HOSTILE, Balanced, hostile, report


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    model = cnn(classes=4)
    data = data_for(model, 120)
    path = tmp_path_factory.mktemp("page") / "s.tflite"
    result = export_tflite(model, path, "int8", data)
    labels = np.arange(120) % 4
    checked = verify(
        model, result, data, labels=labels, layers=True, worst=3, latency=(1,)
    )
    gate = Gate(max_bytes=10, int8_only=True).check(checked)
    fields = checked.to_dict() | {
        "model": "folder/student.keras",
        "data": "digits",
        "gate": gate.to_dict(),
        "command": "keras-kd verify",
    }
    return fields, [sample.inputs["image"] for sample in checked.worst]


def test_the_page_tells_all(found):
    fields, pictures = found
    parsed = Balanced(verification_page(fields, pictures))
    seen = " ".join(parsed.text)
    for wanted in (
        "s.tflite", "against student.keras", "1 of 3 checks failed", "Layer by layer",
        "Worst inputs", "Operators", "CONV_2D", "at most 10 allowed", "keras-kd verify",
        "XNNPACK runs", "Latency",
    ):  # fmt: skip
        assert wanted in seen, wanted
    sources = [value for _, name, value in parsed.attributes if name == "src"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/png") for source in sources)
    assert "None" not in seen and "nan" not in seen


def test_the_page_loads_nothing_and_escapes(found):
    fields, pictures = found
    text = verification_page(hostile(fields), pictures)
    assert "<script" not in text and HOSTILE in Balanced(text).text
    assert "default-src 'none'" in text


@pytest.mark.parametrize("absent", ["layers", "worst", "gate", "latency_ms", "bytes"])
def test_every_part_is_optional(absent, found):
    fields, pictures = found
    for value in (None, [], {}, 3):
        text = verification_page(fields | {absent: value}, pictures)
        assert "None" not in " ".join(Balanced(text).text)
    Balanced(verification_page({"artifact": "s.tflite", absent: fields[absent]}))


def test_a_refused_file_has_a_page():
    checks = [{"name": "verification", "passed": False, "message": "it is NaN."}]
    fields = {"artifact": "a/s.tflite", "gate": {"passed": False, "checks": checks}}
    seen = " ".join(Balanced(verification_page(fields)).text)
    assert "1 of 1 checks failed" in seen and "It is NaN." in seen


def test_inputs_that_are_no_images_are_a_table(tmp_path):
    model = tokens()
    result = export_tflite(model, tmp_path / "s.tflite")
    checked = verify(model, result, data_for(model, 9), worst=2)
    pictures = [sample.inputs["tokens"] for sample in checked.worst]
    text = verification_page(checked.to_dict(), pictures)
    assert "<img" not in text and f"#{checked.worst[0].index}" in text


def test_pixels_of_any_range_are_drawn(found):
    fields, _ = found
    rng = np.random.default_rng(0)
    for image in (
        rng.normal(size=(8, 8, 3)),
        255 * rng.random((8, 8, 1)),
        np.zeros((8, 8, 3), "int8"),
        np.full((4, 4, 1), np.nan),
    ):
        Balanced(verification_page(fields, [image] * 3))
    assert "<img" not in verification_page(fields, [np.zeros((8, 8, 5))] * 3)


def test_a_folder_shows_what_newer_runs_measured(found):
    fields, _ = found
    newer = report()
    newer["artifacts"][1] |= {
        key: fields[key] for key in ("snr_db", "delegation", "layers", "gate")
    }
    seen = " ".join(Balanced(render(newer)).text)
    assert "signal to noise" in seen and "gate failed" in seen
    assert "Layer by layer" in seen and "XNNPACK runs" in seen
    older = " ".join(Balanced(render(report())).text)
    assert "Layer by layer" not in older and "XNNPACK" not in older


def test_bars_are_as_long_as_their_decibels():
    bars = [Bar("a", "a", 10.0), Bar("b", "b", 40.0), Bar("c", "c", 200.0)]
    svg = decibel_chart("t", bars)
    widths = [float(part.split('"')[0]) for part in svg.split(' width="')[1:]]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.02)
    assert widths[2] == pytest.approx(1.02 * widths[1], rel=0.02)
    assert "exact" in svg and "−" not in svg
    low = decibel_chart("t", [Bar("a", "a", -200.0), Bar("b", "b", 20.0)])
    assert "-200.0 dB" in low and 'width="-' not in low
    assert decibel_chart("t", []) == ""
