"""`OnnxRunner` answers like `Runner`, in batches of any size."""

import numpy as np
import pytest

from keras_kd.export import VerificationError, export_onnx, export_tflite
from keras_kd.export.onnx import OnnxRunner
from keras_kd.export.runtime import Runner
from tests.export.students import data_for, tokens, two_by_dict


def test_it_follows_the_protocol_of_the_tflite_runner(tmp_path):
    model = two_by_dict()
    data = data_for(model, 5)
    other = Runner(export_tflite(model, tmp_path / "s.tflite", "float32").path)
    runner = OnnxRunner(export_onnx(model, tmp_path / "s.onnx").path, threads=2)
    assert set(runner.inputs) == set(other.inputs)
    assert set(runner.outputs) == set(other.outputs)
    for name, details in runner.inputs.items():
        assert details["dtype"] == other.inputs[name]["dtype"]
        assert details["quantization"] == (0.0, 0)
        assert list(details["shape"]) == list(other.inputs[name]["shape"])
        assert details["shape_signature"][0] == -1
    answers = other(data)
    for name, array in runner(data).items():
        np.testing.assert_allclose(array, answers[name], atol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 3])
def test_batches_of_any_length(batch_size, tmp_path):
    model = tokens()
    result = export_onnx(model, tmp_path / "s.onnx", batch_size=batch_size)
    runner = OnnxRunner(result.path)
    assert runner.batch_size == batch_size
    data = data_for(model, 8)
    expected = np.asarray(model(data["tokens"]))
    for count in (1, 3, 8):
        few = {"tokens": data["tokens"][:count].astype("int64")}
        np.testing.assert_allclose(runner(few)["head"], expected[:count], atol=1e-6)


def test_a_broken_file_is_refused_in_one_sentence(tmp_path, capfd):
    path = tmp_path / "s.onnx"
    path.write_bytes(b"no graph at all")
    with pytest.raises(VerificationError, match="onnxruntime refuses"):
        OnnxRunner(path)
    with pytest.raises(VerificationError, match="onnxruntime refuses"):
        OnnxRunner(tmp_path / "absent.onnx")


def test_an_input_that_does_not_fit_is_refused(tmp_path):
    runner = OnnxRunner(export_onnx(tokens(), tmp_path / "s.onnx").path)
    with pytest.raises(VerificationError, match="fails on inputs of"):
        runner({"tokens": np.zeros((2, 3), "int32")})
