"""What data-free priors want of images, and whom they teach."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from keras_kd.losses import (
    activation_norm,
    adversarial,
    batch_norm_statistics,
    class_balance,
    class_confidence,
    total_variation,
)

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(4, 3, 5, 2))


def test_a_batch_of_the_remembered_statistics_is_the_best():
    remembered = MAPS.mean(axis=(0, 1, 2)), MAPS.var(axis=(0, 1, 2))
    np.testing.assert_allclose(batch_norm_statistics(remembered, MAPS), 0.0, atol=1e-12)
    moved = batch_norm_statistics(remembered, MAPS + np.array([3.0, 4.0]))
    np.testing.assert_allclose(moved, 5.0)
    scaled = batch_norm_statistics((0.0 * remembered[0], remembered[1]), 2.0 * MAPS)
    expected = np.linalg.norm(2.0 * remembered[0]) + np.linalg.norm(3 * remembered[1])
    np.testing.assert_allclose(scaled, expected)


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (np.zeros(2), "the pair"),
        ((np.zeros(2), np.zeros(3)), r"\(2,\) and \(3,\), student \(4, 3, 5, 2\)"),
        ((np.zeros((4, 2)), np.zeros((4, 2))), r"teacher \(4, 2\)"),
    ],
)
def test_other_statistics_are_refused(teacher, sentence):
    with pytest.raises(ValueError, match=sentence):
        batch_norm_statistics(teacher, MAPS)


def test_confidence_is_the_cross_entropy_to_the_own_class():
    logits = RNG.normal(size=(5, 7))
    expected = tf.keras.losses.sparse_categorical_crossentropy(
        logits.argmax(axis=-1), logits, from_logits=True
    )
    np.testing.assert_allclose(class_confidence(logits), expected, rtol=1e-6)


def test_balance_is_best_where_all_classes_are_alike():
    one_each = 60.0 * np.eye(4)
    np.testing.assert_allclose(np.mean(class_balance(one_each)), -math.log(4.0))
    all_one = np.repeat(one_each[:1], 4, axis=0)
    np.testing.assert_allclose(class_balance(all_one), 0.0, atol=1e-12)
    with pytest.raises(ValueError, match=r"takes logits \(batch, classes\)"):
        class_balance(np.zeros((2, 3, 4)))


def test_a_class_that_nobody_gives_is_no_trouble():
    logits = tf.constant([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(class_balance(logits))
    assert np.all(np.isfinite(tape.gradient(value, logits)))


def test_total_variation_is_that_of_tensorflow():
    np.testing.assert_allclose(
        total_variation(MAPS), tf.image.total_variation(tf.constant(MAPS))
    )
    for mode in ("anisotropic", "deep_inversion"):
        flat = total_variation(np.ones((2, 3, 4, 1)), mode)
        np.testing.assert_array_equal(flat, [0.0, 0.0])
    with pytest.raises(ValueError, match="takes images"):
        total_variation(np.zeros((3, 4, 1)))
    with pytest.raises(ValueError, match="`mode` must be one of"):
        losses.TotalVariation("isotropic")


def test_deep_inversion_looks_in_four_directions():
    dot = np.zeros((1, 3, 3, 1))
    dot[0, 1, 1] = 1.0
    values = total_variation(dot, "deep_inversion")
    np.testing.assert_allclose(values, 4.0 * math.sqrt(2.0))


def test_activations_have_no_sign():
    np.testing.assert_allclose(activation_norm(MAPS), activation_norm(-MAPS))
    assert np.all(np.asarray(activation_norm(2.0 * MAPS)) < activation_norm(MAPS))


@pytest.mark.parametrize("metric", ["js", "l1"])
def test_opponents_agree_at_zero_and_are_alike(metric):
    teacher, student = RNG.normal(size=(2, 5, 4))
    np.testing.assert_allclose(adversarial(teacher, teacher, metric), 0.0, atol=1e-12)
    values = np.asarray(adversarial(teacher, student, metric))
    np.testing.assert_allclose(values, adversarial(student, teacher, metric))
    assert np.all(values < 0.0)


def test_js_ends_at_the_logarithm_of_two():
    sure = np.array([[1e4, 0.0], [0.0, 1e4]])
    np.testing.assert_allclose(adversarial(sure, sure[::-1]), -math.log(2.0))


@pytest.mark.parametrize("metric", ["js", "l1"])
def test_a_generator_learns_from_both_sides(metric):
    teacher, student = (tf.constant(x, "float32") for x in RNG.normal(size=(2, 5, 4)))
    with tf.GradientTape() as tape:
        tape.watch((teacher, student))
        value = losses.Adversarial(metric)(teacher, student)
    for slope in tape.gradient(value, (teacher, student)):
        assert np.linalg.norm(slope) > 1e-3


@pytest.mark.parametrize(
    "loss",
    [
        losses.ClassConfidence(),
        losses.ClassBalance(),
        losses.ActivationNorm(),
    ],
    ids=lambda loss: loss.name,
)
def test_what_looks_at_one_side_ignores_the_other(loss):
    x, other = RNG.normal(size=(2, 5, 4))
    assert loss(other, x) == loss(x, x) != loss(x, other)
