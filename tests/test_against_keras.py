"""What README says of `keras.distillation`, shown: each row of its table."""

import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import Distiller, methods
from keras_kd.losses import Hint, KLDistillation
from keras_kd.terms import DistillationTerm
from tests.models import cnn, cross_entropy, one_step


def log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def test_the_default_logit_loss():
    rng = np.random.default_rng(0)
    t, s = 5 * rng.normal(size=(64, 10)), 5 * rng.normal(size=(64, 10))
    p, q = log_softmax(t / 4), log_softmax(s / 4)
    definition = 16 * (np.exp(p) * (p - q)).sum(-1).mean()
    ours = float(KLDistillation(temperature=4.0)(t, s))
    theirs = keras.distillation.LogitsDistillation(temperature=4.0)
    theirs = float(theirs.compute_loss(t.astype("float32"), s.astype("float32")))
    assert ours == pytest.approx(definition, rel=1e-5)
    assert theirs != pytest.approx(definition, rel=0.1)


def keras_distiller(teacher, student):
    return keras.distillation.Distiller(
        teacher,
        student,
        [
            keras.distillation.LogitsDistillation(temperature=4.0),
            keras.distillation.FeatureDistillation(
                loss="mse", teacher_layer_name="body", student_layer_name="body"
            ),
        ],
        [1.0, 1.0],
    )


def our_distiller(teacher, student):
    hint = DistillationTerm(Hint(), "body", "body")
    return Distiller(teacher, student, [*methods.hinton(), hint])


class CountedRelu(keras.layers.Layer):
    """Counts its runs in the graph."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.runs = tf.Variable(0, trainable=False)

    def call(self, x):
        self.runs.assign_add(1)
        return keras.ops.relu(x)


def counted(name, seed):
    inputs = keras.Input((8, 8, 3))
    relu = CountedRelu(name="body")
    x = relu(keras.layers.Conv2D(4, 3)(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.utils.set_random_seed(seed)
    return keras.Model(inputs, keras.layers.Dense(5)(x), name=name), relu.runs


@pytest.mark.parametrize(
    "make, training, evaluation",
    [(our_distiller, (1, 1), (1, 0)), (keras_distiller, (2, 1), (2, 1))],
)
def test_passes_of_student_and_teacher(make, training, evaluation, images):
    x, y = images
    (student, student_runs), (teacher, teacher_runs) = counted("s", 0), counted("t", 1)
    distiller = make(teacher, student)
    distiller.compile("sgd", cross_entropy())
    for run, expected in ((distiller.fit, training), (distiller.evaluate, evaluation)):
        student_runs.assign(0), teacher_runs.assign(0)
        run(x, y, batch_size=64, verbose=0)
        assert (int(student_runs), int(teacher_runs)) == expected


@pytest.mark.parametrize(
    "make, counts", [(our_distiller, True), (keras_distiller, False)]
)
def test_sample_weight(make, counts, images):
    distiller = make(cnn("t", seed=1), cnn("s"))
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    losses = [one_step(distiller, *images, np.full(64, w))["loss"] for w in (1.0, 3.0)]
    assert (losses[1] == pytest.approx(3 * losses[0], rel=1e-3)) is counts
    assert (losses[1] == pytest.approx(losses[0], rel=1e-3)) is not counts


@pytest.mark.parametrize(
    "make, fits", [(our_distiller, True), (keras_distiller, False)]
)
def test_features_of_another_shape(make, fits, images):
    distiller = make(cnn("t", 8, seed=1), cnn("s"))
    distiller.compile("sgd", cross_entropy())
    if fits:
        distiller.fit(*images, verbose=0)
    else:
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            distiller.fit(*images, verbose=0)


@pytest.mark.parametrize(
    "make, holds", [(our_distiller, False), (keras_distiller, True)]
)
def test_the_teacher_in_the_saved_file(make, holds, images, tmp_path):
    distiller = make(cnn("the_teacher", seed=1), cnn("s"))
    distiller.compile("sgd", cross_entropy())
    distiller.fit(*images, verbose=0)
    distiller.save(tmp_path / "d.keras")
    with zipfile.ZipFile(tmp_path / "d.keras") as file:
        assert (b"the_teacher" in file.read("config.json")) is holds
