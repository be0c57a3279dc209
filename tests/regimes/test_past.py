"""Teachers that are no trained network: the student's past, and its labels."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, EMATeacher, VirtualTeacher, methods
from keras_kd.losses import Hint
from tests.interruption import killed_and_resumed, same_weights
from tests.models import Subclassed, cnn, cross_entropy, one_step
from tests.replicas import run_on_two_devices


def mean_teacher(student, teacher, eagerly=True):
    distiller = Distiller(
        teacher,
        student,
        methods.mean_teacher("dark"),
        views={"dark": keras.layers.Rescaling(0.5)},
    )
    adam = keras.optimizers.Adam(0.05)
    distiller.compile(adam, cross_entropy(), run_eagerly=eagerly)
    return distiller


@pytest.mark.parametrize("warmup", [True, False])
def test_the_average_follows_as_written(images, warmup):
    teacher, student = EMATeacher(0.7, warmup), cnn("s")
    distiller = mean_teacher(student, teacher, eagerly=warmup)
    expected = [w.astype("float64") for w in student.get_weights()]
    for step in range(4):
        logs = one_step(distiller, images[0][:16], images[1][:16])
        keep = min(0.7, (1 + step) / (10 + step)) if warmup else 0.7
        expected = [
            keep * old + (1 - keep) * new
            for old, new in zip(expected, student.get_weights(), strict=True)
        ]
        for ours, theirs in zip(teacher.model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert logs["mean_teacher"] > 0
    assert len(distiller.trainable_weights) == len(student.trainable_weights)


def test_the_term_compares_the_average_with_the_view(images):
    teacher, student = EMATeacher(), cnn("s")
    student.get_layer("bn").trainable = False  # so that training mode is as written
    distiller = mean_teacher(student, teacher)
    teacher.model.set_weights([1.1 * w for w in student.get_weights()])
    x = images[0][:8]

    def log_p(z):
        z = np.asarray(z, "float64")
        return z - np.log(np.exp(z).sum(-1, keepdims=True))

    p, q = log_p(teacher.model(x)), log_p(student(0.5 * x))
    value = (np.exp(p) * (p - q)).sum(-1).mean()
    logs = one_step(distiller, x, images[1][:8])
    assert logs["mean_teacher"] == pytest.approx(value, rel=1e-3)


def test_saved_loaded_and_trained_on_it_is_the_same(images, tmp_path):
    distiller = mean_teacher(cnn("s"), EMATeacher(0.9))
    distiller.fit(*images, shuffle=False, verbose=0)
    distiller.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert (loaded.teacher.decay, loaded.teacher.warmup) == (0.9, True)
    for model in (distiller, loaded):
        model.fit(*images, shuffle=False, verbose=0)
    for ours, theirs in zip(distiller.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    same_weights(distiller.teacher.model, loaded.teacher.model)
    assert int(loaded.teacher.layer.steps) == 4


def test_resumed_it_is_the_same(images, tmp_path):
    def run(*callbacks):
        keras.utils.set_random_seed(0)
        distiller = mean_teacher(cnn("s"), EMATeacher(0.9))
        data = {"batch_size": 32, "shuffle": False, "verbose": 0}
        distiller.fit(*images, epochs=3, callbacks=list(callbacks), **data)
        return distiller

    whole, resumed = run(), killed_and_resumed(run, tmp_path / "backup")
    same_weights(whole.teacher.model, resumed.teacher.model)
    same_weights(whole, resumed)


def test_two_replicas_keep_one_average():
    run_on_two_devices("""
from keras_kd import Distiller, EMATeacher, methods
from tests.models import cnn, cross_entropy
from tests.replicas import *
x = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")
y = np.arange(8) % 5
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    student, teacher = cnn("s"), EMATeacher(0.5, warmup=False)
    distiller = Distiller(teacher, student, methods.mean_teacher())
    distiller.compile(keras.optimizers.SGD(0.1), cross_entropy())
expected = [w.copy() for w in student.get_weights()]
for step in range(2):
    distiller.train_on_batch(x, y)
    expected = [(a + b) / 2 for a, b in zip(expected, student.get_weights())]
for a, b in zip(teacher.model.get_weights(), expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
for v in teacher.model.weights:
    first, second = strategy.experimental_local_results(v.value)
    np.testing.assert_array_equal(first, second)
assert keras.ops.convert_to_numpy(teacher.layer.steps) == 2
""")


def test_a_subclassed_student_has_an_average_too(images):
    keras.saving.get_custom_objects()["Subclassed"] = Subclassed
    student = Subclassed(name="sub")
    student(images[0][:1])
    terms = [DistillationTerm(Hint(), "body", "body"), *methods.mean_teacher()]
    teacher = EMATeacher(0.9)
    distiller = Distiller(teacher, student, terms)
    distiller.compile("adam", cross_entropy(), run_eagerly=True)
    one_step(distiller, *images)
    assert not set(map(id, teacher.model.weights)) & set(map(id, student.weights))


def test_refusals_of_the_average():
    with pytest.raises(ValueError, match="`decay` must be from 0 to 1. Received: dec"):
        EMATeacher(1.5)
    with pytest.raises(ValueError, match="give it to a Distiller first"):
        _ = EMATeacher().model


def test_the_virtual_teacher_is_nearly_sure(images):
    """KL of p^d and the student, both softened, in float64."""
    student = cnn("s")
    student.get_layer("bn").trainable = False
    distiller = Distiller(VirtualTeacher(0.9), student, methods.teacher_free(3.0))
    distiller.compile("sgd", cross_entropy(), run_eagerly=True)
    x, y = images[0][:8], images[1][:8]
    p = np.full((8, 5), 0.1 / 4)
    p[np.arange(8), y] = 0.9
    z = np.asarray(student(x), "float64") / 3
    q = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    p = p ** (1 / 3) / (p ** (1 / 3)).sum(-1, keepdims=True)
    value = 9 * (p * np.log(p / q)).sum(-1).mean()
    logs = one_step(distiller, x, y)
    assert logs["teacher_free"] == pytest.approx(value, rel=1e-4)


def test_refusals_of_the_virtual_teacher(images):
    with pytest.raises(ValueError, match="`correct` must be between 0 and 1.*=1.0"):
        VirtualTeacher(1.0)
    with pytest.raises(ValueError, match="`correct` must be positive"):
        VirtualTeacher(0.0)
    distiller = Distiller(
        VirtualTeacher(), cnn("s"), methods.teacher_free(), hard_loss_weight=0
    )
    distiller.compile("sgd")
    with pytest.raises(ValueError, match="teaches from labels: pass `y`"):
        distiller.train_on_batch(images[0])
