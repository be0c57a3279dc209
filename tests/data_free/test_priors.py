"""What images learn by: values, gradients, and the places they look at."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import FrozenTeacher, losses
from keras_kd.data_free import (
    OptimisedImages,
    Prior,
    adversarial,
    dafl,
    deep_inversion,
)
from keras_kd.data_free.sight import Sight
from tests.data_free.parts import distiller, generator, optimised, teacher
from tests.models import cnn


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def everything():
    """One prior of each kind."""
    return [
        *dafl(embedding="gap"),
        *deep_inversion(),
        *adversarial("l1"),
    ]


@pytest.fixture
def pictures():
    return np.random.default_rng(3).uniform(size=(10, 8, 8, 3)).astype("float32")


def test_each_prior_is_what_numpy_says(pictures):
    model = distiller(optimised(), priors=everything())
    classes = np.arange(10) % 5
    found = model.images.values(pictures, model.student, classes)
    of = model.teacher.model
    kernel = of.get_layer("c").get_weights()
    x = np.pad(pictures.astype("float64"), ((0, 0), (1, 1), (1, 1), (0, 0)))
    arrived = sum(
        x[:, i : i + 8, j : j + 8] @ kernel[0][i, j].astype("float64")
        for i in range(3)
        for j in range(3)
    )
    arrived += kernel[1]
    mean, variance = arrived.mean((0, 1, 2)), arrived.var((0, 1, 2))
    norm = of.get_layer("bn")
    apart = [
        np.linalg.norm(mean - np.asarray(norm.moving_mean)),
        np.linalg.norm(variance - np.asarray(norm.moving_variance)),
    ]
    z = np.asarray(of(pictures), "float64")
    p = softmax(z)
    gap = keras.Model(of.input, of.get_layer("gap").output)(pictures)
    moved = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    diagonal = (
        pictures[:, 1:, 1:] - pictures[:, :-1, :-1],
        pictures[:, 1:, :-1] - pictures[:, :-1, 1:],
    )
    other = np.asarray(model.student(pictures), "float64")
    expected = {
        "class_confidence": -np.log(p.max(-1)).mean(),
        "class_balance": (p.mean(0) * np.log(p.mean(0))).sum(),
        "activation_norm": -np.abs(gap).mean(),
        "wanted_class": -np.log(p[np.arange(10), classes]).mean(),
        "total_variation": sum(np.linalg.norm(m) for m in (*moved, *diagonal)),
        "batch_norm_statistics": sum(apart),
        "adversarial": -np.abs(z - other).mean(),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, err_msg=name)


@pytest.mark.parametrize("number", range(7))
def test_each_prior_moves_the_images(number, pictures):
    prior = everything()[number]
    model = distiller(optimised(), priors=[prior])
    images = tf.constant(pictures)
    with tf.GradientTape() as tape:
        tape.watch(images)
        values = model.images.values(images, model.student, np.arange(10) % 5)
    gradient = tape.gradient(values[prior.name], images)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_a_teacher_is_seen_through_its_preprocessing_and_softmax(pictures):
    of = FrozenTeacher(
        teacher(activation="softmax"),
        preprocess=lambda x: 2.0 * x - 1.0,
        from_probabilities=True,
    )
    seen = Sight(of, ["gap"], statistics=False)(pictures)
    np.testing.assert_allclose(seen["output"], of(pictures)["output"], rtol=1e-5)
    np.testing.assert_allclose(
        seen["gap"], of(pictures, ["gap"])["gap"], rtol=1e-5, atol=1e-6
    )


def test_defaults_follow_the_source_and_the_teacher():
    plain = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    names = {
        (source, of): [p.name for p in distiller(made, of=model).priors]
        for source, made in (("generator", generator()), ("images", optimised()))
        for of, model in (("norm", teacher()), ("plain", plain))
    }
    of_generator = ["class_confidence", "class_balance"]
    of_images = ["wanted_class", "total_variation"]
    assert names == {
        ("generator", "plain"): of_generator,
        ("images", "plain"): of_images,
        ("generator", "norm"): [*of_generator, "batch_norm_statistics"],
        ("images", "norm"): [*of_images, "batch_norm_statistics"],
    }


def test_a_prior_round_trips():
    decay = keras.optimizers.schedules.PolynomialDecay(2.0, 10)
    for prior in (
        Prior(losses.ActivationNorm(), "gap", decay, "excited"),
        Prior("Huber"),
    ):
        made = keras.saving.serialize_keras_object(prior)
        again = keras.saving.deserialize_keras_object(made)
        assert again.get_config() == prior.get_config()


def test_the_weight_may_be_scheduled():
    decay = keras.optimizers.schedules.PolynomialDecay(2.0, 4, 0.0)
    model = distiller(priors=[Prior(losses.ClassConfidence(), weight=decay)])
    for expected in (2.0, 1.5, 1.0):
        model.image_step()
        assert float(model.priors[0].weight) == expected


@pytest.mark.parametrize(
    "loss",
    [losses.Hint(), losses.KLDistillation(), None, lambda a, b: a],
    ids=["hint", "kl", "none", "function"],
)
def test_what_no_gradient_flows_through_is_no_prior(loss):
    with pytest.raises(TypeError, match="whose gradient flows into what it looks at"):
        Prior(loss)


@pytest.mark.parametrize(
    "of, priors, words",
    [
        ({}, [Prior(losses.ActivationNorm(), at="gab")], "Did you mean 'gap'"),
        ({}, [Prior("SparseCategoricalCrossentropy")], "which class an image is to"),
        ({}, [], "one prior at least"),
        ({}, 2 * [Prior(losses.ClassBalance())], "'class_balance' more than once"),
        ({"activation": "softmax"}, None, "from_probabilities=True"),
    ],
    ids=["tap", "classes", "none", "twice", "softmax"],
)
def test_priors_that_have_nothing_to_look_at(of, priors, words):
    with pytest.raises(ValueError, match=words):
        distiller(of=teacher(**of), priors=priors)


def test_statistics_want_a_batch_norm():
    plain = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    with pytest.raises(ValueError, match="has none: leave that prior out"):
        distiller(of=plain, priors=[losses.BatchNormStatistics()])


def test_teachers_that_no_gradient_flows_through():
    with pytest.raises(ValueError, match="engine='tensorflow' alone"):
        distiller(of=FrozenTeacher(cnn("t"), engine="litert"))
    from keras_kd import EnsembleTeacher

    with pytest.raises(TypeError, match="must be a keras.Model or a FrozenTeacher"):
        distiller(of=EnsembleTeacher([cnn("t")]))


def test_optimised_images_know_their_classes():
    model = distiller(OptimisedImages(7))
    np.testing.assert_array_equal(model.generator.classes, [0, 1, 2, 3, 4, 0, 1])
