"""Norms and cosines of the terms' gradients, measured without a trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import DistillationTerm, Distiller, methods, pack_targets
from keras_kd.callbacks import Stage, Stages, TermGradients
from keras_kd.callbacks.term_gradients import norms_and_cosines
from keras_kd.losses import Hint, KLDistillation
from keras_kd.objective.balance import MagnitudeBalance
from tests.models import cnn, cross_entropy


def noisy(name, seed=0):
    """A student whose training pass moves statistics and draws random numbers."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="c")(inputs)
    x = layers.Dropout(0.3, seed=1)(layers.BatchNormalization(name="bn")(x))
    x = layers.GlobalAveragePooling2D(name="gap")(layers.ReLU(name="body")(x))
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name=name)


def compiled(student=None, optimizer=None, eager=True, **kwargs):
    keras.utils.set_random_seed(5)
    terms = [
        *methods.fitnets({"body": "body"}, weight=2.0),
        DistillationTerm(KLDistillation(), name="kd", weight=0.5),
    ]
    student = student or noisy("s")
    distiller = Distiller(cnn("t", 8, seed=1), student, terms, **kwargs)
    distiller.compile(
        optimizer or keras.optimizers.Adam(0.01),
        cross_entropy(),
        metrics=["accuracy"],
        jit_compile=False,
        run_eagerly=eager,
    )
    return distiller


def fit(distiller, images, *callbacks, **kwargs):
    kwargs = {"batch_size": 32, "epochs": 2, "shuffle": False, "verbose": 0, **kwargs}
    return distiller.fit(*images, callbacks=list(callbacks), **kwargs).history


def test_the_gradients_are_those_of_the_total(images):
    """Without randomness their sum is what a step of SGD takes off the weights."""
    distiller = compiled(cnn("s"), keras.optimizers.SGD(1.0), hard_loss_weight=0.3)
    watch = TermGradients(*images)
    watch.set_model(distiller)
    gradients = watch.gradients()
    assert set(gradients) == {"hard_loss", "hint_body", "kd"}
    variables = distiller.student.trainable_variables
    before = np.concatenate([v.numpy().ravel() for v in variables])
    distiller.train_on_batch(*images)
    after = np.concatenate([v.numpy().ravel() for v in variables])
    np.testing.assert_allclose(sum(gradients.values()), before - after, atol=1e-5)


def test_norms_and_cosines_by_hand():
    hard, a, b = np.array([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]])
    found = norms_and_cosines({"hard_loss": hard, "a": a, "b": b})
    assert found.pop("b_gradient_cosine") != found.get("a_gradient_cosine")
    assert found == {
        "hard_loss_gradient_norm": 5.0,
        "a_gradient_norm": 2.0,
        "a_gradient_cosine": pytest.approx(-0.8),
        "b_gradient_norm": 0.0,
    }
    without = norms_and_cosines({"a": hard, "b": a})  # their sum is (3, 2)
    assert without["a_gradient_cosine"] == pytest.approx(17 / (5 * np.sqrt(13)))


def test_the_training_goes_on_as_if_nothing_had_been_measured(images):
    def run(*callbacks):
        distiller = compiled(eager=False, balance=MagnitudeBalance())
        return distiller, fit(distiller, images, *callbacks)

    plain, expected = run()
    watched, history = run(TermGradients(images[0][:16], images[1][:16]))
    for a, b in zip(plain.variables, watched.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    for a, b in zip(
        plain.optimizer.variables, watched.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    assert {key: history[key] for key in expected} == expected
    new = set(history) - set(expected)
    assert new == {
        "hard_loss_gradient_norm",
        *(f"{t}_gradient_{w}" for t in ("hint_body", "kd") for w in ("norm", "cosine")),
    }
    assert all(np.isfinite(history[key]).all() for key in new)
    assert abs(history["kd_gradient_cosine"][0]) <= 1


def test_nothing_moves_at_all(images):
    distiller = compiled()
    fit(distiller, images, epochs=1)
    everything = [
        *distiller.variables,
        *distiller.metrics_variables,
        *distiller.optimizer.variables,
    ]
    before = [v.numpy() for v in everything]
    watch = TermGradients(*images)
    watch.set_model(distiller)
    first, second = watch.gradients(), watch.gradients()
    for old, variable in zip(before, everything, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)
    for name, gradient in first.items():  # the same dropout, drawn twice
        np.testing.assert_array_equal(gradient, second[name])


def test_every_so_many_epochs_and_csv(images, tmp_path):
    distiller = compiled()
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(distiller, images, TermGradients(*images, every=2), log, epochs=4)
    measured = np.isfinite(history["kd_gradient_norm"]).tolist()
    assert measured == [False, True, False, True]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert "kd_gradient_cosine" in lines[0] and len(lines) == 5


def test_in_a_stage_what_rests_has_no_gradient(images):
    distiller = compiled()
    watch = TermGradients(*images)
    stages = Stages([Stage(1, ["kd"], ["head"], hard_loss=False), Stage()])
    history = fit(distiller, images, stages, watch)
    assert np.isfinite(history["hard_loss_gradient_norm"]).tolist() == [False, True]
    assert np.isfinite(history["hint_body_gradient_norm"]).tolist() == [False, True]
    assert history["kd_gradient_cosine"][0] == pytest.approx(1.0)  # it is the total
    watch.set_model(distiller)
    distiller.enter(Stage(terms=["kd"], layers=["head"], hard_loss=False))
    gradient = watch.gradients()["kd"]
    head = sum(v.numpy().size for v in distiller.student.get_layer("head").weights)
    assert gradient.any() and gradient.size == head


def test_stored_targets_sample_weights_and_half_precision(images):
    x, y = images
    stored = pack_targets(y, cnn("t", 8, seed=1).predict(x, verbose=0))
    norms = {}
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        distiller = Distiller(None, cnn("s"), [DistillationTerm("mse", name="kd")])
        distiller.compile(keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True)
        for weight in (None, np.full(64, 2.0, "float32")):
            watch = TermGradients(x, stored, weight)
            fit(distiller, (x, stored), watch, epochs=1)
            watch.set_model(distiller)
            found = norms_and_cosines(watch.gradients())
            norms[policy, weight is None] = found["kd_gradient_norm"]
        keras.config.set_dtype_policy("float32")
    one = norms["float32", True]
    assert norms["float32", False] == pytest.approx(2 * one, rel=1e-4)
    assert norms["mixed_float16", True] == pytest.approx(one, rel=0.05)


def test_an_embedding(images):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), dtype="int32")
    x = layers.Flatten(name="flat")(layers.Embedding(9, 2)(inputs))
    student = keras.Model(inputs, layers.Dense(5)(x))
    teacher = keras.models.clone_model(student)
    distiller = Distiller(teacher, student, [DistillationTerm(Hint(), name="kd")])
    distiller.compile("sgd", cross_entropy())
    tokens = np.random.default_rng(0).integers(0, 9, (16, 4))
    watch = TermGradients(tf.constant(tokens), np.zeros(16, int))
    watch.set_model(distiller)
    assert watch.gradients()["kd"].any()


def test_refuses(images):
    with pytest.raises(ValueError, match="`every` must be a positive integer"):
        TermGradients(images[0], every=0)
    student = cnn("plain")
    student.compile("sgd", cross_entropy())
    with pytest.raises(TypeError, match="TermGradients are of a Distiller"):
        fit(student, images, TermGradients(*images))
