"""`verify` measures right, and fails on every file that must not be trusted."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd.export import VerificationError, compare, export_tflite, schema, verify
from keras_kd.export.benchmark.arena import arena_bytes
from keras_kd.export.compare import class_labels
from keras_kd.export.runtime import Runner, dequantize, quantize
from tests.export.students import (
    cnn,
    data_for,
    raw_convert,
    sequential,
    subclassed,
    two_by_dict,
    two_by_list,
)


@pytest.fixture
def student(tmp_path):
    model = cnn(classes=4)
    return model, export_tflite(model, tmp_path / "s.tflite")


def nudged(model):
    """A model whose last bias differs, so that its answers do, by known amounts."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    other.layers[-1].bias.assign_add([0.5, 0.0, 0.0, -0.25])
    return other


def test_errors_agreement_and_accuracy_are_those_computed_by_hand(student):
    model, result = student
    other, data = nudged(model), data_for(model, 50)
    ours, theirs = np.asarray(model(data["image"])), np.asarray(other(data["image"]))
    labels = np.arange(50) % 4
    report = verify(other, result, data, labels=labels)
    same = ours.argmax(1) == theirs.argmax(1)
    assert 0 < same.mean() < 1
    assert report.max_error == pytest.approx(0.5, abs=1e-5)
    assert report.mean_error == pytest.approx(0.75 / 4, abs=1e-5)
    assert report.agreement == same.mean()
    assert report.disagreements.tolist() == np.flatnonzero(~same).tolist()
    assert report.accuracy == (ours.argmax(1) == labels).mean()
    assert report.model_accuracy == (theirs.argmax(1) == labels).mean()
    np.testing.assert_allclose(report.predictions, ours, atol=1e-5)
    assert report.operators == result.report["operators"]
    assert report.tensor_dtypes == result.report["tensor_dtypes"]
    assert report.foreign_operators == []


def test_the_report_travels_as_json(student):
    model, result = student
    fields = verify(model, result, data_for(model, 8)).to_dict()
    assert json.loads(json.dumps(fields)) == fields
    assert "predictions" not in fields and fields["outputs"]["logits"]["step"] is None


def test_labels_come_with_the_data_or_beside_it(student):
    model, result = student
    x, y = data_for(model, 40)["image"], np.arange(40) % 4
    expected = verify(model, result, x, labels=y).accuracy
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    for data, labels in (
        ((x, y), None),
        ((x, y[:, None]), None),
        ((x, np.eye(4)[y]), None),
        (dataset, None),
        (x, np.eye(4)[y]),
        ((x, 0 * y), y),
    ):
        assert verify(model, result, data, labels=labels).accuracy == expected
    first = (np.argmax(model(x[:10]), 1) == y[:10]).mean()
    for data in (x, dataset.repeat()):
        assert verify(model, result, data, labels=y, limit=10).accuracy == first


def test_a_regression_target_in_the_data_is_not_taken_for_labels(student):
    model, result = student
    x = data_for(model, 9)["image"]
    assert verify(model, result, (x, np.random.normal(size=(9, 4)))).accuracy is None
    with pytest.raises(ValueError, match=r"`labels` must be.*Received: \(9, 7\)"):
        verify(model, result, x, labels=np.zeros((9, 7)))
    with pytest.raises(ValueError, match=r"must lie in \[0, 4\).*1 to 4"):
        verify(model, result, x, labels=1 + np.arange(9) % 4)


def test_a_single_unit_has_no_classes(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(1)(x))
    result = export_tflite(model, tmp_path / "s.tflite")
    report = verify(model, result, (np.random.rand(9, 3), np.ones(9)))
    assert report.agreement is None and report.accuracy is None
    assert report.max_error < 1e-6 and report.disagreements.size == 0


def test_several_outputs_are_reported_by_name(tmp_path):
    model = two_by_dict()
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data_for(model))
    labels = {"zoo": np.zeros(50, int)}
    report = verify(model, result, data_for(model, 50), labels=labels)
    zoo, box = report.outputs["zoo"], report.outputs["box"]
    assert report.max_error == max(zoo.max_error, box.max_error)
    assert report.agreement == min(zoo.agreement, box.agreement)
    assert report.accuracy == zoo.accuracy and box.accuracy is None
    assert set(report.predictions) == {"box", "zoo"}
    assert box.step == pytest.approx(1 / 256) and box.max_error < 8 * box.step


def test_labels_of_a_list_of_outputs_are_in_its_order(tmp_path):
    model = two_by_list()
    result = export_tflite(model, tmp_path / "s.tflite")
    labels = [np.zeros(9), np.ones(9)]
    report = verify(model, result, data_for(model, 9), labels=labels)
    first, second = (np.argmax(y, 1) for y in model(list(data_for(model, 9).values())))
    assert report.outputs["first"].accuracy == (first == 0).mean()
    assert report.outputs["second"].accuracy == (second == 1).mean()


def test_maps_agree_by_position(tmp_path):
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, layers.Conv2D(3, 1)(x))
    result = export_tflite(model, tmp_path / "s.tflite")
    masks = np.zeros((6, 4, 4), int)
    report = verify(model, result, data_for(model, 6), labels=masks, threads=2)
    assert report.agreement == 1.0 and 0 <= report.accuracy <= 1


def test_data_without_an_end_or_without_a_sample_is_refused(student):
    model, result = student
    data = tf.data.Dataset.from_tensor_slices(data_for(model, 8)).batch(2)
    with pytest.raises(ValueError, match="Pass `limit`"):
        verify(model, result, data.repeat())
    with pytest.raises(ValueError, match="holds no sample"):
        verify(model, result, data.take(0))


def test_the_file_of_a_keras_model_as_trackable_never_passes(tmp_path):
    """Its weights are whatever lay in memory: NaN mostly, else absurd numbers."""
    model = cnn()
    path = raw_convert(model, tmp_path / "s.tflite", trackable=model)
    try:
        report = verify(model, path, data_for(model, 8))
    except VerificationError:
        return
    assert report.max_error > 0.1


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [(np.nan, r"\['score'\].*model are finite"), (1e4, "weights in the file are not")],
)
def test_a_file_with_broken_weights_fails(factor, sentence, tmp_path):
    model = subclassed()
    kernel = np.array(model.head.kernel.value)
    model.head.kernel.assign(factor * kernel)
    path = raw_convert(model, tmp_path / "s.tflite")
    model.head.kernel.assign(kernel)
    with pytest.raises(VerificationError, match=sentence):
        verify(model, path, data_for(model, 8))


def test_a_file_of_nan_fails_though_the_model_is_nan_too(tmp_path):
    model = subclassed()
    model.head.kernel.assign(np.full((4, 2), np.nan))
    path = raw_convert(model, tmp_path / "s.tflite")
    with pytest.raises(VerificationError, match="NaN or infinite; those of.*too"):
        verify(model, path, data_for(model, 8))


def test_a_finite_file_of_a_model_of_nan_fails(tmp_path):
    """Integers have no NaN: max(NaN, 0) would make a figure of it."""
    model = subclassed()
    kernel = np.array(model.head.kernel.value)
    path = raw_convert(model, tmp_path / "s.tflite")
    model.head.kernel.assign(np.nan * kernel)
    with pytest.raises(VerificationError, match=r"\['score'\] of the model are NaN"):
        verify(model, path, data_for(model, 8))


def test_more_labels_than_samples_are_not_cut(student):
    """They may begin elsewhere; only a limit says that the first are meant."""
    model, result = student
    x, y = data_for(model, 9)["image"], np.arange(12) % 4
    with pytest.raises(ValueError, match=r"`labels` must be.*Received: \(12,\)"):
        verify(model, result, x, labels=y)
    assert verify(model, result, x, labels=y, limit=9).accuracy is not None


def test_signal_to_noise_is_that_computed_by_hand(student):
    model, result = student
    other, data = nudged(model), data_for(model, 50)
    ours, theirs = np.asarray(model(data["image"])), np.asarray(other(data["image"]))
    report = verify(other, result, data)
    snr = 10 * np.log10(np.square(theirs).sum() / np.square(ours - theirs).sum())
    assert report.snr_db == pytest.approx(snr, abs=1e-3)
    assert report.outputs["logits"].snr_db == report.snr_db
    assert report.outputs["logits"].model_classes == len(set(theirs.argmax(1)))
    assert verify(model, result, data).snr_db > 100


@pytest.mark.parametrize(
    ("expected", "answered", "decibels"),
    [
        ([1.0, 2.0], [1.0, 2.0], 200.0),
        ([1.0, 2.0], [0.0, 0.0], 0.0),
        ([1.0, -np.inf], [1.0, -np.inf], 200.0),
        ([1.0, 2.0], [1.0, np.nan], -200.0),
        ([1.0, np.nan], [1.0, np.nan], -200.0),
        ([1.0, np.inf], [1.0, -np.inf], -200.0),
        ([0.0, 0.0], [0.0, 0.1], -200.0),
        ([10.0], [9.0], 20.0),
    ],
)
def test_decibels(expected, answered, decibels):
    assert compare.snr_db(np.array(expected), np.array(answered)) == decibels


def test_what_is_measured_besides(student):
    model, result = student
    data = data_for(model, 8)
    report = verify(model, result, data, latency=(1,))
    content = result.path.read_bytes()
    assert report.bytes == len(content) > report.gzip_bytes
    assert report.macs == schema.macs(schema.load(content))
    assert report.arena_bytes == arena_bytes(schema.load(content))
    assert report.latency_ms[1]["p50"] > 0 and report.float_islands is None
    assert report.layers is report.worst is None
    fields = report.to_dict()
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    for wrong in ({"latency": (0,)}, {"worst": -1}):
        with pytest.raises(ValueError, match="must be a positive integer"):
            verify(model, result, data, **wrong)


def test_a_constant_file_fails(tmp_path, student):
    model, _ = student
    dead = keras.models.clone_model(model)
    dead.set_weights(model.get_weights())
    dead.layers[-1].kernel.assign(0 * dead.layers[-1].kernel)
    path = raw_convert(dead, tmp_path / "dead.tflite")
    data = data_for(model, 8)
    with pytest.raises(VerificationError, match="same for 8.*file ignores its input"):
        verify(model, path, data)
    with pytest.raises(VerificationError, match="The model itself has collapsed"):
        verify(dead, path, data)


def test_one_sample_cannot_be_constant(student):
    model, result = student
    assert verify(model, result, data_for(model, 1)).samples == 1


def test_answers_within_one_step_are_not_a_constant(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(1, "sigmoid", bias_initializer="ones")(x))
    calibration = 100 * np.random.normal(size=(100, 3))
    result = export_tflite(model, tmp_path / "s.tflite", "int8", calibration)
    verify(model, result, 1e-4 * np.random.normal(size=(5, 3)))


def test_a_file_with_foreign_operators_fails(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.ops.erf(layers.Dense(2)(x)))
    path = raw_convert(model, tmp_path / "s.tflite", select=True)
    with pytest.raises(VerificationError, match="built in: .'CUSTOM:FlexErf'"):
        verify(model, path, data_for(model, 8))


def test_a_file_of_another_model_fails(student):
    _, result = student
    with pytest.raises(VerificationError, match=r"inputs are \['image'\], the model's"):
        verify(sequential(), result, np.ones((4, 5)))


def test_a_file_without_a_signature_fails(tmp_path):
    model = sequential()
    keep_no_object = tf.Module()
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, 5), tf.float32, "a b"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [concrete], keep_no_object
    )
    from keras_kd.export.quiet import quiet

    with quiet():
        (tmp_path / "s.tflite").write_bytes(converter.convert())
    with pytest.raises(VerificationError, match="must have .* signature"):
        verify(model, tmp_path / "s.tflite", np.ones((4, 5)))


def test_what_is_no_file_or_no_tflite_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`artifact` is not a file"):
        verify(cnn(), tmp_path / "none.tflite", np.ones((1, 8, 8, 1)))
    (tmp_path / "text.tflite").write_text("not a flatbuffer")
    with pytest.raises(ValueError, match="lacks the mark 'TFL3'"):
        verify(cnn(), tmp_path / "text.tflite", np.ones((1, 8, 8, 1)))
    content = export_tflite(cnn(), tmp_path / "s.tflite").path.read_bytes()
    for length in (9, len(content) // 3, len(content) - 300):
        (tmp_path / "cut.tflite").write_bytes(content[:length])
        with pytest.raises(VerificationError, match="damaged"):
            verify(cnn(), tmp_path / "cut.tflite", np.ones((1, 8, 8, 1)))


def test_quantization_rounds_and_clips():
    steps = quantize(np.array([-9.0, 0.0, 0.24, 0.26, 9.0]), 0.5, 3, np.int8)
    assert steps.tolist() == [-15, 3, 3, 4, 21]
    assert quantize(np.array([-1e9, 1e9]), 0.5, 0, np.uint8).tolist() == [0, 255]
    assert dequantize(np.array([-15, 4], "int8"), 0.5, 3).tolist() == [-9.0, 0.5]


def test_a_file_of_a_fixed_batch_runs_any_number_of_samples(tmp_path):
    model = cnn()
    result = export_tflite(model, tmp_path / "s.tflite", batch_size=4)
    runner, x = Runner(result.path), data_for(model, 9)
    assert runner.batch_size == 4
    np.testing.assert_allclose(runner(x)["logits"], model(x["image"]), atol=1e-5)


def test_class_labels_of_another_kind_are_none():
    assert class_labels(np.array(["a", "b"]), (2, 3)) is None
    assert class_labels(np.array([0.5, 1.0]), (2, 3)) is None
    assert class_labels(np.array([[2.0], [1.0]]), (2, 3)).tolist() == [2, 1]


def test_each_signature_is_verified_by_itself(tmp_path):
    """Of which one is not the file's first subgraph."""
    model = cnn(classes=4)
    inner = keras.Model(model.inputs, {"map": model.layers[1].output})
    data = data_for(model, 120)
    result = export_tflite(
        model, tmp_path / "s.tflite", "int8", data, signatures={"features": inner}
    )
    serve = verify(model, result, data, layers=True, latency=(1,))
    features = verify(inner, result, data, signature="features", layers=True)
    assert set(serve.outputs) == {"logits"} and set(features.outputs) == {"map"}
    assert len(serve.layers) > len(features.layers) and features.signature == "features"
    assert serve.unmatched_layers == features.unmatched_layers == []
    assert (serve.delegation is None) or (features.delegation is None)
    with pytest.raises(VerificationError, match=r"outputs are \['map'\]"):
        verify(model, result, data, signature="features")
    with pytest.raises(VerificationError, match="signature 'other'"):
        verify(model, result, data, signature="other")


def test_an_onnx_file(tmp_path):
    pytest.importorskip("onnxruntime")
    from keras_kd.export.onnx import export_onnx

    model = cnn(classes=4)
    data = data_for(model, 20)
    result = export_onnx(model, tmp_path / "s.onnx")
    report = verify(model, result, data, worst=2, latency=(1,))
    assert report.snr_db > 80 and report.agreement == 1.0
    assert report.operators["Conv"] == 1 and report.foreign_operators == []
    assert report.macs is report.activations is report.delegation is None
    assert report.bytes == result.path.stat().st_size and report.latency_ms[1]["p50"]
    fields = report.to_dict()
    assert json.loads(json.dumps(fields)) == fields
    other = cnn(classes=4)
    assert verify(other, result, data).snr_db < 20
    with pytest.raises(ValueError, match="`signature` is for .tflite"):
        verify(model, result, data, signature="serve")
