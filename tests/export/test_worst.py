"""The worst inputs are those computed by hand."""

import json

import numpy as np

from keras_kd.export import export_tflite, verify
from keras_kd.export.verify.worst import worst_inputs
from tests.export.students import cnn, data_for, raw_convert, two_by_dict

EXPECTED = np.array([[3.0, 0.0], [0.0, 1.0], [2.0, 1.9], [5.0, 0.0]])
ANSWERED = np.array([[2.0, 0.0], [0.0, 1.1], [1.9, 2.0], [5.0, 0.5]])
X = [{"x": np.arange(3.0)}, {"x": np.array([3.0])}]


def test_another_class_first_then_the_largest_error():
    labels = {"y": np.array([0, 1, 0, 1])}
    found = worst_inputs({"y": EXPECTED}, {"y": ANSWERED}, labels, X, 3)
    assert [sample.index for sample in found] == [2, 0, 3]
    first = found[0]
    assert first.differs and (first.model_class, first.file_class) == (0, 1)
    assert first.label == 0 and abs(first.error - 0.1) < 1e-9
    assert [float(sample.inputs["x"]) for sample in found] == [2.0, 0.0, 3.0]
    assert not found[1].differs and found[1].error == 1.0


def test_outputs_are_compared_by_their_own_scale():
    small = {"y": EXPECTED, "z": np.full((4, 1), 1e-3)}
    off = {"y": EXPECTED, "z": small["z"] + np.array([[0], [0], [0], [1e-3]])}
    (worst,) = worst_inputs(small, off, {}, X, 1)
    assert (worst.index, worst.output, worst.model_class) == (3, "z", None)
    # An output whose class differs is the one to be told of, however small its error.
    off["y"] = EXPECTED[:, ::-1]
    (worst,) = worst_inputs(small, off, {}, X, 1)
    assert worst.output == "y" and worst.differs


def test_in_a_report(tmp_path):
    model = cnn(classes=4)
    data = data_for(model, 50)
    other = cnn(classes=4)
    path = raw_convert(other, tmp_path / "other.tflite")
    report = verify(model, path, data, labels=np.arange(50) % 4, worst=60)
    assert len(report.worst) == 50
    differing = {sample.index for sample in report.worst if sample.differs}
    assert differing == set(report.disagreements.tolist()) and len(differing) > 5
    assert all(s.differs for s in report.worst[: len(differing)])
    for sample in report.worst:
        np.testing.assert_array_equal(
            sample.inputs["image"], data["image"][sample.index]
        )
        assert sample.label == sample.index % 4
    assert max(s.error for s in report.worst) == report.max_error
    fields = report.to_dict()
    assert json.loads(json.dumps(fields)) == fields and "inputs" not in fields["worst"]


def test_several_inputs_and_outputs(tmp_path):
    model = two_by_dict()
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data_for(model))
    report = verify(model, result, data_for(model, 70), worst=2, batch_size=16)
    assert [set(sample.inputs) for sample in report.worst] == [{"image", "meta"}] * 2
