"""Boundaries, margins, scales and standardized channels, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from keras_kd.losses import (
    activation_boundary,
    channel_wise,
    hierarchical_context,
    overhaul,
    overhaul_margin,
    pearson_feature,
)

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 3, 4, 5, 2))


def equal(one, other, rtol=1e-9):
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12)


def gradient(loss, teacher, student):
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = loss(tf.constant(teacher), student)
    return tape.gradient(value, student).numpy()


@pytest.mark.parametrize(
    "teacher, student, value",
    [
        (0.1, 1.0, 0.0),  # beyond the margin, on the right side
        (0.1, 9.0, 0.0),
        (-0.1, -1.0, 0.0),
        (0.1, 0.5, 0.25),  # on the right side, within the margin
        (-0.1, -0.5, 0.25),
        (5.0, -1.0, 4.0),  # on the wrong side
        (-5.0, 1.0, 4.0),
        (0.0, 1.0, 4.0),  # a neuron at zero does not fire
    ],
)
def test_boundaries_by_hand(teacher, student, value):
    equal(activation_boundary(np.array([[teacher]]), np.array([[student]])), [value])


def test_boundaries_are_all_that_counts_of_the_teacher():
    value = activation_boundary(TEACHER, STUDENT)
    equal(activation_boundary(np.sign(TEACHER), STUDENT), value)
    equal(activation_boundary(2 * TEACHER, 2 * STUDENT, 2.0), 4 * np.asarray(value))
    right = 1.0001 * np.where(TEACHER > 0, 1.0, -1.0)
    assert np.all(np.asarray(activation_boundary(TEACHER, right)) == 0.0)
    assert np.all(gradient(activation_boundary, TEACHER, right) == 0.0)


@pytest.mark.parametrize(
    "teacher, student, value",
    [
        (2.0, 3.5, 2.25),  # a positive target pulls from both sides
        (2.0, -1.0, 9.0),
        (-0.2, 0.8, 1.0),  # a target below zero only from above
        (-0.2, -0.4, 0.0),
        (-9.0, 0.5, 1.0),  # the margin stands for what lies below it
        (-9.0, -0.5, 0.0),
        (-9.0, -3.0, 0.0),
    ],
)
def test_overhaul_by_hand(teacher, student, value):
    values = overhaul(np.array([[teacher]]), np.array([[student]]), margin=-0.5)
    equal(values, [value])


def test_a_student_that_the_relu_makes_equal_costs_nothing():
    teacher = -np.abs(TEACHER)
    below = np.minimum(teacher, -1.0) - np.abs(STUDENT)
    assert np.all(np.asarray(overhaul(teacher, below, -1.0)) == 0.0)
    assert np.all(gradient(lambda t, s: overhaul(t, s, -1.0), teacher, below) == 0.0)


def test_margins_from_a_table_of_the_normal_distribution():
    """Φ(0) = ½, Φ(−1) = .1586553, Φ(−3) = .0013499; φ(0) = .3989423, φ(1) = .2419707,
    φ(3) = .0044318. Beyond 3.09 deviations less than 0.1 % is negative.
    """
    gamma = np.array([1.0, -2.0, 2.0, 2.0, 1.0, 0.5])
    beta = np.array([0.0, 0.0, 2.0, -2.0, 3.0, 1.6])
    expected = [
        -0.3989423 / 0.5,
        -2 * 0.3989423 / 0.5,
        2 - 2 * 0.2419707 / 0.1586553,
        -2 - 2 * 0.2419707 / (1 - 0.1586553),
        3 - 0.0044318 / 0.0013499,
        -3 * 0.5,
    ]
    margins = overhaul_margin(gamma, beta)
    np.testing.assert_allclose(margins, expected, rtol=1e-3)
    np.testing.assert_allclose(margins[:4], expected[:4], rtol=2e-6)
    np.testing.assert_allclose(overhaul_margin(tf.Variable(gamma), beta), margins)


def test_the_margin_of_a_constant_channel():
    np.testing.assert_array_equal(
        overhaul_margin([0.0, 0.0, 0.0], [-1.5, 0.0, 2.0]), [-1.5, 0.0, 0.0]
    )


def test_margins_are_one_per_channel_of_the_maps():
    loss = losses.FeatureOverhaul(np.array([-1.0, -2.0, -3.0]))
    with pytest.raises(ValueError, match=r"3 margins.*\(3, 4, 5, 2\)"):
        loss(TEACHER, STUDENT)
    for wrong in ([], [[-1.0]], float("nan"), "low", None):
        with pytest.raises(ValueError, match="`margin` must be a finite float or one"):
            losses.FeatureOverhaul(wrong)
    assert losses.FeatureOverhaul(np.float32(-0.5)).get_config()["margin"] == -0.5


def test_context_weighs_scales_by_hand():
    """One wrong position of 8 × 8: 1/64 at full size, 1/4² of ¼² after 4 × 4, …"""
    teacher, student = np.zeros((2, 1, 8, 8, 1))
    student[0, 3, 5, 0] = 1.0
    levels = 1 / 64 + 0.5 * (1 / 4) ** 2 / 16 + 0.25 * (1 / 16) ** 2 / 4
    levels += 0.125 * (1 / 64) ** 2
    equal(hierarchical_context(teacher, student), [levels / 1.875])


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (1, 2), (1, 2, 7, 2), (1, 5, 3, 2)])
def test_a_constant_gap_costs_the_same_at_every_scale(shape):
    equal(hierarchical_context(np.zeros(shape), np.full(shape, 3.0)), [9.0])


def test_context_sees_a_mean_that_is_right_though_nothing_is_in_place():
    moved = TEACHER[:, ::-1]
    full = np.mean((TEACHER - moved) ** 2, axis=(1, 2, 3))
    assert np.all(np.asarray(hierarchical_context(TEACHER, moved)) < full)


def test_context_sums_over_pairs_and_refuses_odd_lists():
    loss, pair = losses.HierarchicalContext(), ([TEACHER, STUDENT], [STUDENT, TEACHER])
    equal(loss(*pair), 2 * loss(TEACHER, STUDENT), rtol=1e-6)
    with pytest.raises(ValueError, match=r"\(3, 4, 5, 2\)"):
        loss([TEACHER], [STUDENT, STUDENT])
    with pytest.raises(ValueError, match="known height and width"):
        hierarchical_context(TEACHER[:, 0], STUDENT[:, 0])


def test_channel_wise_forgets_the_offset_of_each_channel():
    offsets = np.array([-30.0, 8.0])
    value = channel_wise(TEACHER, STUDENT)
    equal(channel_wise(TEACHER + 5.0, STUDENT + offsets), value, rtol=1e-7)


def test_channel_wise_looks_at_positions_and_not_at_channels():
    """A constant map is uniform over positions, whatever its channels say."""
    constant = np.broadcast_to([3.0, -8.0], TEACHER.shape)
    equal(channel_wise(np.zeros_like(TEACHER), constant), np.zeros(3))
    with pytest.raises(ValueError, match=r"over positions.*\(3, 2\)"):
        channel_wise(TEACHER[:, 0, 0], STUDENT[:, 0, 0])


def test_channel_wise_keeps_its_gradient_where_the_student_is_surely_wrong():
    teacher, student = np.zeros((2, 1, 2, 1, 1))
    teacher[0, 0], student[0, 1] = 200.0, 200.0
    loss = losses.ChannelWise(temperature=1.0)
    np.testing.assert_allclose(
        gradient(loss, teacher, student).ravel(), [-1.0, 1.0], atol=1e-6
    )


def test_channel_wise_gradients_keep_their_size_when_the_temperature_rises():
    sizes = [
        np.abs(gradient(losses.ChannelWise(t), TEACHER, STUDENT)).sum()
        for t in (50, 100)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_pearson_forgets_scale_and_offset_of_each_channel():
    value = pearson_feature(TEACHER, STUDENT)
    scale, offset = np.array([0.5, 40.0]), np.array([-3.0, 100.0])
    equal(pearson_feature(TEACHER, scale * STUDENT + offset), value, rtol=1e-5)


def test_pearson_is_one_minus_the_mean_correlation():
    """To the factor (n − 1)/n between a mean and the ddof of 1."""
    rows = [(TEACHER[..., c].ravel(), STUDENT[..., c].ravel()) for c in range(2)]
    correlation = np.mean([np.corrcoef(t, s)[0, 1] for t, s in rows])
    n = TEACHER[..., 0].size
    expected = (1 - correlation) * (n - 1) / n
    equal(np.mean(pearson_feature(TEACHER, STUDENT)), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3)])
def test_pearson_of_a_single_value_is_zero(shape):
    values = losses.PearsonFeature(reduction=None)(np.ones(shape), np.zeros(shape))
    assert np.all(np.asarray(values) == 0.0)
