"""What the papers say of losses that relate the predictions of a batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.losses import (
    DIST,
    MultiLevelKD,
    batch_correlation,
    class_correlation,
    dist,
    kl_divergence,
)

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0.0, 2.0, (2, 6, 5)).astype("float32")
LOSSES = [dist, class_correlation, batch_correlation]
each_loss = pytest.mark.parametrize("loss", LOSSES)


def slope(loss, teacher, student, **arguments):
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = tf.reduce_sum(loss(teacher, student, **arguments))
    return float(value), tape.gradient(value, student).numpy()


def probabilities(logits, temperature=1.0):
    return keras.ops.softmax(logits.astype("float64") / temperature).numpy()


def test_dist_is_one_minus_numpys_correlation():
    p, q = probabilities(TEACHER, 2.0), probabilities(STUDENT, 2.0)
    rows = [1.0 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)]
    columns = [1.0 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)]
    expected = 4.0 * (2.0 * np.array(rows) + 3.0 * np.mean(columns))
    values = dist(TEACHER, STUDENT, beta=2.0, gamma=3.0, temperature=2.0)
    np.testing.assert_allclose(values, expected, rtol=1e-4)


def test_dist_asks_for_the_order_and_not_for_the_size():
    """A student whose probabilities lie on a line with the teacher's is at the end."""
    milder = np.log(0.4 * probabilities(TEACHER) + 0.6 / 5).astype("float32")
    np.testing.assert_allclose(dist(TEACHER, milder), 0.0, atol=1e-5)
    assert float(kl_divergence(TEACHER, milder, 1.0)[0]) > 0.05
    # Opposed predictions are the worst there is.
    opposed = np.log(0.6 - 0.5 * probabilities(TEACHER)).astype("float32")
    np.testing.assert_allclose(dist(TEACHER, opposed), 4.0, atol=1e-4)


@each_loss
def test_a_batch_of_one_is_finite(loss):
    value, gradient = slope(loss, TEACHER[:1], STUDENT[:1])
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert np.abs(gradient).sum() > 0.0


def test_one_example_has_no_correlation_over_the_batch():
    value, gradient = slope(
        dist, TEACHER[:1], STUDENT[:1], beta=0.0, gamma=3.0, temperature=2.0
    )
    assert value == pytest.approx(12.0)
    assert np.all(gradient == 0.0)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_a_head_that_starts_at_zero_learns_from_dist(noise):
    value, gradient = slope(dist, TEACHER, np.float32(noise) * STUDENT, gamma=0.0)
    assert value == pytest.approx(6.0, abs=1e-3)
    assert 0.01 < np.linalg.norm(gradient) < 10.0
    # Not divided by 1e-8; and upwards where the teacher says so.
    assert np.all(np.argmin(gradient, axis=-1) == np.argmax(TEACHER, axis=-1))


def test_a_class_that_no_example_has_is_finite():
    teacher, student = TEACHER.copy(), STUDENT.copy()
    teacher[:, 3] = student[:, 3] = -200.0
    for loss in LOSSES:
        value, gradient = slope(loss, teacher, student, temperature=1.0)
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_correlations_are_those_of_the_matrices(temperature):
    p, q = probabilities(TEACHER, temperature), probabilities(STUDENT, temperature)
    by_class = np.square(p.T @ p - q.T @ q).sum() / 5
    values = class_correlation(TEACHER, STUDENT, temperature)
    np.testing.assert_allclose(values, np.full(6, by_class), rtol=1e-4)
    by_example = np.square(p @ p.T - q @ q.T).sum(axis=-1)
    values = batch_correlation(TEACHER, STUDENT, temperature)
    np.testing.assert_allclose(values, by_example, rtol=1e-4)


def test_both_roads_to_the_class_correlation_agree():
    """Through C × C where the batch is larger, through N × N where it is smaller."""
    teacher, student = RNG.normal(0.0, 2.0, (2, 6, 6))
    wide = class_correlation(teacher[:, :5], student[:, :5])
    padded = [
        np.concatenate([z[:, :5], np.full((6, 4), -1e3)], axis=-1)
        for z in (teacher, student)
    ]
    narrow = class_correlation(*padded)
    np.testing.assert_allclose(5 * wide.numpy(), 9 * narrow.numpy(), rtol=1e-9)
    slopes = [
        slope(class_correlation, t, s)[1]
        for t, s in ((teacher[:, :5], student[:, :5]), padded)
    ]
    np.testing.assert_allclose(5 * slopes[0], 9 * slopes[1][:, :5], rtol=1e-9)


@pytest.mark.parametrize("loss", [class_correlation, batch_correlation])
def test_nothing_cancels_near_the_teacher(loss):
    near = TEACHER + np.float32(1e-4) * STUDENT
    expected = loss(TEACHER.astype("float64"), near.astype("float64"))
    np.testing.assert_allclose(loss(TEACHER, near), expected, rtol=2e-2)
    assert np.all(expected.numpy() < 1e-8)


def test_a_wide_vocabulary_builds_no_square_of_it():
    """Of 40,000 classes the square would take 6.4 GB."""
    teacher, student = RNG.normal(0.0, 1.0, (2, 3, 40_000)).astype("float32")
    value, gradient = slope(MultiLevelKD(temperatures=[2.0]), teacher, student)
    assert np.isfinite(value) and np.isfinite(gradient).all()


@each_loss
def test_positions_are_rows_of_the_batch(loss):
    sequences = [x.reshape(2, 3, 5) for x in (TEACHER, STUDENT)]
    np.testing.assert_allclose(
        np.mean(loss(*sequences)), np.mean(loss(TEACHER, STUDENT)), rtol=1e-4
    )
    mask = np.array([[1, 1, 1], [1, 0, 0]], bool)
    kept = mask.reshape(-1)
    if loss is not dist:  # whose part over classes is the mean of each example's own
        np.testing.assert_allclose(
            np.mean(loss(*sequences, mask=mask)),
            np.mean(loss(TEACHER[kept], STUDENT[kept])),
            rtol=1e-4,
        )


@pytest.mark.parametrize("every_temperature", [True, False])
def test_multi_level_is_the_sum_of_its_levels(every_temperature):
    levels = (4.0, 2.0, 3.0, 5.0, 6.0)
    expected = sum(np.mean(kl_divergence(TEACHER, STUDENT, t)) for t in levels)
    for t in levels if every_temperature else levels[:1]:
        expected += np.mean(class_correlation(TEACHER, STUDENT, t))
        expected += np.mean(batch_correlation(TEACHER, STUDENT, t))
    loss = MultiLevelKD(every_temperature=every_temperature)
    np.testing.assert_allclose(loss(TEACHER, STUDENT), expected, rtol=1e-4)


def test_standardized_logits_are_for_the_divergence_alone():
    student = 3.0 * TEACHER + 1.0
    loss = MultiLevelKD(standardize=True, temperatures=[])
    expected = np.mean(class_correlation(TEACHER, student)) + np.mean(
        batch_correlation(TEACHER, student)
    )
    np.testing.assert_allclose(loss(TEACHER, student), expected, rtol=1e-3)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`temperatures` must be positive"):
        MultiLevelKD(temperatures=[2.0, 0.0])
    with pytest.raises(ValueError, match="`base_temperature` must be positive"):
        MultiLevelKD(base_temperature=-1.0)
    with pytest.raises(ValueError, match="`gamma` must be non-negative"):
        DIST(gamma=-1.0)
    with pytest.raises(ValueError, match=r"two classes or more.*\(4, 1\)"):
        dist(np.zeros((4, 1)), np.zeros((4, 1)))
