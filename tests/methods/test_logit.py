"""Published recipes over logits give the published terms, and train."""

import keras
import numpy as np
import pytest

from keras_kd import Distiller, losses, methods
from keras_kd.schedules import LinearWarmup
from tests.models import cnn, cross_entropy


def only(terms):
    (term,) = terms
    return term


def test_standardized_kd():
    term = only(methods.standardized_kd())
    assert float(term.weight) == 9.0
    assert (float(term.loss.temperature), term.loss.standardize) == (2.0, True)


def test_decoupled_kd():
    term = only(methods.decoupled_kd())
    assert (term.loss.alpha, term.loss.beta) == (1.0, 8.0)
    assert float(term.loss.temperature) == 4.0
    seen = []
    for epoch in (0, 9, 19, 100):
        term.weight.follow(step=0, epoch=epoch)
        seen.append(float(term.weight))
    np.testing.assert_allclose(seen, [0.05, 0.5, 1.0, 1.0], rtol=1e-6)
    assert float(only(methods.decoupled_kd(warmup_epochs=0)).weight) == 1.0
    schedule = LinearWarmup(3.0, epochs=2)
    term = only(methods.decoupled_kd(weight=schedule, standardize=True))
    assert term.weight.schedule is schedule and term.loss.standardize


def test_dist():
    term = only(methods.dist())
    assert (term.loss.beta, term.loss.gamma) == (1.0, 1.0)
    assert (float(term.loss.temperature), float(term.weight)) == (1.0, 1.0)


def test_multi_level():
    term = only(methods.multi_level())
    assert float(term.weight) == pytest.approx(0.9)
    assert float(term.loss.base_temperature) == 4.0
    assert term.loss.temperatures == [2.0, 3.0, 5.0, 6.0]
    assert only(methods.multi_level(standardize=True)).loss.standardize


def test_curriculum_temperature():
    term = only(methods.curriculum_temperature())
    assert float(term.weight) == pytest.approx(0.9)
    assert (term.temperature.minimum, term.temperature.maximum) == (1.0, 21.0)
    assert term.temperature.strength.schedule.epochs == 10
    loss = losses.DecoupledKD(beta=2.0)
    assert only(methods.curriculum_temperature(loss, weight=1.0)).loss is loss


def test_weighted_soft_label():
    term = only(methods.weighted_soft_label())
    assert (float(term.weight), float(term.loss.temperature)) == (2.5, 2.0)


def test_reverse_kl():
    term = only(methods.reverse_kl())
    assert (float(term.weight), float(term.loss.temperature)) == (1.0, 1.0)


def test_generalized_jsd():
    term = only(methods.generalized_jsd())
    assert (float(term.weight), term.loss.beta) == (1.0, 0.5)
    assert float(term.loss.temperature) == pytest.approx(0.9)


def test_logit_regression():
    term = only(methods.logit_regression(weight=2.0))
    assert isinstance(term.loss, losses.LogitMSE) and float(term.weight) == 2.0


def test_top_k():
    assert only(methods.top_k()).loss.k == 10


RECIPES = {
    "standardized_kd": lambda: methods.standardized_kd(),
    "decoupled_kd": lambda: methods.decoupled_kd(warmup_epochs=0),
    "dist": lambda: methods.dist(),
    "multi_level": lambda: methods.multi_level(),
    "curriculum_temperature": lambda: methods.curriculum_temperature(),
    "curriculum of another loss": lambda: methods.curriculum_temperature(
        losses.DecoupledKD(beta=2.0), weight=1.0, strength=1.0, initial=2.0
    ),
    "weighted_soft_label": lambda: methods.weighted_soft_label(),
    "reverse_kl": lambda: methods.reverse_kl(),
    "generalized_jsd": lambda: methods.generalized_jsd(),
    "logit_regression": lambda: methods.logit_regression(),
    "top_k": lambda: methods.top_k(k=3),
    "two at once": lambda: methods.dist() + methods.hinton(),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_student_comes_closer_to_its_teacher(recipe, images):
    x, _ = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    # A teacher with an opinion: an untrained one is near to uniform.
    teacher.get_layer("head").kernel.assign(5.0 * teacher.get_layer("head").kernel)
    logits = teacher.predict(x, verbose=0)

    def agreement():
        gap = losses.kl_divergence(logits, student.predict(x, verbose=0), 1.0)
        return float(np.mean(gap))

    terms = RECIPES[recipe]()
    distiller = Distiller(teacher, student, terms, hard_loss_weight=0.1)
    optimizer = keras.optimizers.Adam(0.01)
    distiller.compile(optimizer, cross_entropy(), run_eagerly=True)
    before = agreement()
    y = np.argmax(logits, -1)
    history = distiller.fit(x, y, batch_size=64, epochs=8, verbose=0).history
    assert agreement() < before
    assert all(np.isfinite(history[term.name]).all() for term in distiller.terms)
