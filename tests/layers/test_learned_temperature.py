"""The temperature moves against the student."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import DistillationTerm, Distiller, layers, losses
from keras_kd.schedules import Ramp
from tests.models import cnn, cross_entropy

TEACHER, STUDENT = np.random.default_rng(0).normal(0, 2, (2, 8, 5)).astype("float32")


def slope(strength):
    """The derivative of the KL by θ, as the optimizer sees it."""
    layer = layers.LearnedTemperature(initial=4.0, strength=strength)
    layer.build()
    with tf.GradientTape() as tape:
        temperature = layer(TEACHER, STUDENT)
        value = losses.KLDistillation()(TEACHER, STUDENT, temperature=temperature)
    return float(tape.gradient(value, layer.theta.value))


def derivative():
    """The same by differences, nothing reversed."""

    def value(theta):
        temperature = 1.0 + 20.0 / (1.0 + np.exp(-theta))
        values = losses.kl_divergence(
            TEACHER.astype("float64"), STUDENT.astype("float64"), temperature
        )
        return float(keras.ops.mean(values))

    start, step = np.log((4.0 - 1.0) / (21.0 - 4.0)), 1e-4
    return (value(start + step) - value(start - step)) / (2 * step)


@pytest.mark.parametrize("strength", [1.0, 0.25, 0.0])
def test_the_gradient_is_reversed(strength):
    assert abs(derivative()) > 0.01
    np.testing.assert_allclose(
        slope(strength), -strength * derivative(), rtol=1e-3, atol=1e-7
    )


def test_the_authors_start_within_1_and_21():
    layer = layers.LearnedTemperature()
    value = float(layer(TEACHER, STUDENT))
    assert value == pytest.approx(1.0 + 20.0 / (1.0 + np.exp(-1.0)))
    for theta, bound in ((-50.0, 1.0), (50.0, 21.0)):
        layer.theta.assign(theta)
        assert float(layer(TEACHER, STUDENT)) == pytest.approx(bound)


def test_the_strength_grows_over_ten_epochs():
    layer = layers.LearnedTemperature()
    seen = []
    for epoch in (0, 5, 10, 50):
        layer.strength.follow(step=0, epoch=epoch)
        seen.append(float(layer.strength))
    np.testing.assert_allclose(seen, [0.0, 0.5, 1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("initial", [1.0, 21.0, -3.0, 40.0])
def test_an_initial_temperature_out_of_reach_is_refused(initial):
    with pytest.raises(ValueError, match="`initial` must be between .* Received"):
        layers.LearnedTemperature(initial=initial)


def test_the_bounds_are_checked():
    with pytest.raises(ValueError, match="`maximum` must be more than 4.0"):
        layers.LearnedTemperature(minimum=4.0, maximum=3.0)
    with pytest.raises(ValueError, match="`minimum` must be positive"):
        layers.LearnedTemperature(minimum=0.0)
    with pytest.raises(ValueError, match="`strength` must be non-negative"):
        layers.LearnedTemperature(strength=-1.0)


def distilled(strength, images, epochs=3):
    """A Distiller after a few epochs, and the temperature before and after."""
    x, _ = images
    temperature = layers.LearnedTemperature(initial=4.0, strength=strength)
    term = DistillationTerm(losses.KLDistillation(), temperature=temperature)
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    distiller = Distiller(teacher, student, [term], hard_loss_weight=0.1)
    distiller.compile(keras.optimizers.SGD(0.05), cross_entropy(), jit_compile=False)
    y = np.argmax(teacher.predict(x, verbose=0), -1)
    before = temperature.theta.numpy()
    distiller.fit(x, y, epochs=epochs, verbose=0)
    return distiller, temperature, float(temperature.theta.numpy() - before)


def test_it_learns_in_a_distiller_and_comes_back_from_a_file(images, tmp_path):
    distiller, temperature, moved = distilled(Ramp(0.0, 1.0, epochs=2), images)
    assert abs(moved) > 1e-5
    assert float(temperature.strength) == 1.0
    distiller.save(tmp_path / "distiller.keras")
    again = Distiller.load(tmp_path / "distiller.keras", cnn("t", 8, seed=1))
    (term,) = again.terms
    assert float(term.temperature.theta) == float(temperature.theta)
    assert float(term.temperature.strength) == 1.0
    assert term.temperature.get_config() == temperature.get_config()
    again.fit(images[0], images[1], epochs=1, verbose=0)


def test_nothing_moves_at_strength_0(images):
    assert distilled(0.0, images, epochs=1)[2] == 0.0


def test_a_loss_without_a_temperature_is_refused():
    with pytest.raises(ValueError, match="`temperature` is a layer for losses"):
        DistillationTerm(losses.Hint(), temperature=layers.LearnedTemperature())
