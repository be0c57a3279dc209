"""`keras-kd verify`: comparison and gate."""

import json
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import export
from tests.cli.words import CLASSES


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
