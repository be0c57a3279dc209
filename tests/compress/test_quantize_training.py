"""Quantize-aware models learn: alone, beside a teacher, in every way Keras trains."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops

from keras_kd import Distiller, methods
from keras_kd.compress import quantize_aware, strip
from keras_kd.compress.quantize.freezing import FreezingBatchNormalization
from keras_kd.compress.quantize.ranges import ObservedRange
from tests.models import cnn, cross_entropy
from tests.replicas import run_on_two_devices


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 96)
    x = rng.normal(size=(96, 8, 8, 3)) + np.eye(5)[y][:, :3].reshape(96, 1, 1, 3)
    x[..., 0] += (y == 4)[:, None, None] * 2
    return x.astype("float32"), y


def ranges(model):
    return [x for x in model._flatten_layers() if isinstance(x, ObservedRange)]


@pytest.mark.parametrize("mode", ["int8", "weight_only_int4"])
def test_a_student_learns_beside_its_teacher(data, mode):
    teacher = cnn("teacher", 16, seed=1)
    teacher.compile(keras.optimizers.Adam(0.02), cross_entropy())
    teacher.fit(*data, epochs=8, verbose=0)
    student = quantize_aware(cnn("student"), mode)
    distiller = Distiller(teacher, student, methods.hinton())
    distiller.compile(
        keras.optimizers.Adam(0.02), cross_entropy(), metrics=["accuracy"]
    )
    history = distiller.fit(*data, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert history["accuracy"][-1] > history["accuracy"][0]
    plain = strip(distiller.student)
    before, after = (
        np.asarray(model(data[0], training=False)).argmax(-1)
        for model in (distiller.student, plain)
    )
    assert (before == after).mean() > 0.9


def test_compiled_by_xla_it_computes_the_same(data):
    logs = []
    for jit in (False, True):
        student = quantize_aware(cnn("s"), delay=1, freeze_batch_norm_after=2)
        student.compile("sgd", cross_entropy(), jit_compile=jit)
        for _ in range(4):
            student.train_on_batch(*data)
        logs.append(student.get_weights())
    for eager, compiled in zip(*logs, strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=2e-3, atol=2e-4)


def test_batch_norm_freezes(data):
    student = quantize_aware(cnn("s"), freeze_batch_norm_after=2)
    student.compile("sgd", cross_entropy(), jit_compile=False)
    norm = student.get_layer("bn")
    means, scales = [], []
    for _ in range(4):
        student.train_on_batch(*data)
        means.append(np.array(norm.moving_mean))
        scales.append(np.array(norm.gamma))
    assert (means[0] != means[1]).any()
    np.testing.assert_array_equal(means[1], means[3])
    assert (scales[2] != scales[3]).any()
    x = ops.convert_to_tensor(np.random.default_rng(1).normal(size=(6, 8, 8, 4)))
    np.testing.assert_allclose(norm(x, training=True), norm(x), rtol=1e-5)
    assert type(strip(student).get_layer("bn")) is L.BatchNormalization


def test_batch_norm_that_never_freezes_is_kerass():
    x = np.random.default_rng(0).normal(2, 3, size=(32, 4)).astype("float32")
    theirs, ours = L.BatchNormalization(), FreezingBatchNormalization()
    later = FreezingBatchNormalization(freeze_after=100)
    for _ in range(3):
        expected = theirs(x, training=True)
        for layer in (ours, later):
            np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-6)
    for layer in (ours, later):
        np.testing.assert_allclose(layer.moving_variance, theirs.moving_variance)


def test_training_goes_on_after_loading(tmp_path, data):
    """A run in two halves ends where the whole one ends."""
    weights = []
    for halves in (False, True):
        student = quantize_aware(cnn("s"), delay=2, freeze_batch_norm_after=4)
        student.compile(keras.optimizers.Adam(0.01), cross_entropy(), jit_compile=False)
        student.fit(*data, epochs=1, batch_size=32, shuffle=False, verbose=0)
        if halves:
            student.save(tmp_path / "half.keras")
            student = keras.saving.load_model(tmp_path / "half.keras")
        student.fit(*data, epochs=1, batch_size=32, shuffle=False, verbose=0)
        weights.append(student.get_weights())
    for whole, resumed in zip(*weights, strict=True):
        np.testing.assert_allclose(whole, resumed, rtol=1e-5, atol=1e-6)
    assert {float(layer.steps) for layer in ranges(student)} == {6.0}


def test_callbacks_and_validation(data):
    student = quantize_aware(cnn("s"), delay=2)
    student.compile("adam", cross_entropy(), metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    history = student.fit(
        *data, validation_data=data, epochs=2, callbacks=[stop], verbose=0
    )
    assert np.isfinite(history.history["val_loss"]).all()


def test_tfmots_quantizers_give_the_same_numbers(data):
    pytest.importorskip("tensorflow_model_optimization")
    ours, theirs = (
        quantize_aware(cnn("s"), engine=engine, calibration_data=data[0])
        for engine in ("keras", "tfmot")
    )
    expected = np.asarray(ours(data[0]))
    found = np.asarray(theirs(data[0]))
    step = (expected.max() - expected.min()) / 255
    assert np.abs(found - expected).max() <= step * 1.01
    theirs.compile("sgd", cross_entropy(), jit_compile=False)
    history = theirs.fit(*data, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    assert float(ranges(theirs)[0].steps) > 3
    kernel = strip(theirs).get_layer("c").kernel
    scale = np.abs(kernel).max((0, 1, 2)) / 127
    np.testing.assert_allclose(kernel / scale, np.round(kernel / scale), atol=1e-3)


def test_tfmots_file_equals_its_graph(tmp_path, data):
    pytest.importorskip("tensorflow_model_optimization")
    from keras_kd.export import export_tflite
    from tests.compress.test_quantize import steps_apart

    student = quantize_aware(cnn("s"), engine="tfmot", calibration_data=data[0])
    student.save(tmp_path / "s.keras")
    student = keras.saving.load_model(tmp_path / "s.keras")
    result = export_tflite(student, tmp_path / "s.tflite", "int8")
    assert result.report["float_islands"] == []
    assert steps_apart(student, result.path, data[0][:8])[0].max() <= 1.001


SCRIPT = """
from keras_kd.compress import quantize_aware
from tests.models import cnn, cross_entropy

rng = np.random.default_rng(0)
half = rng.normal(size=(8, 8, 8, 3)).astype("float32")
x = np.concatenate([half, half] * 2)
y = np.concatenate([rng.integers(0, 5, 8)] * 4)

def train(strategy):
    with strategy.scope():
        student = quantize_aware(cnn("s"), delay=1, freeze_batch_norm_after=0)
        student.compile(keras.optimizers.SGD(0.05), cross_entropy(),
                        jit_compile=False)
    student.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return student.get_weights()

one = train(tf.distribute.get_strategy())
two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
assert max(abs(a - b).max() for a, b in zip(one, two, strict=True)) < 1e-4
"""


@pytest.mark.slow
def test_replicas_learn_what_one_device_learns():
    """Each replica's half of a batch is the same here, so ranges agree as well."""
    run_on_two_devices(SCRIPT)
