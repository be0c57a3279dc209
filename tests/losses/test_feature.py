"""What distinguishes the metrics of `hint`, by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.losses import Hint, hint
from keras_kd.losses.feature.hints import HINT_METRICS
from keras_kd.losses.numerics import l2_normalize

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 3, 4, 2, 5)).astype("float32")
# Two positions of two channels: the gaps are (3, 4) and (0, 0).
BY_HAND = np.array([[[3.0, 4.0], [1.0, 0.0]]]), np.array([[[0.0, 0.0], [1.0, 0.0]]])


@pytest.mark.parametrize(
    "metric, value", [("mse", 12.5 / 2), ("l1", 3.5 / 2), ("l2", 5.0 / 2)]
)
def test_distances_by_hand(metric, value):
    np.testing.assert_allclose(hint(*BY_HAND, metric=metric), [value])


@pytest.mark.parametrize(
    "student, value", [([2.0, 0.0], 0.0), ([0.0, 5.0], 1.0), ([-1.0, 0.0], 2.0)]
)
def test_cosine_by_hand(student, value):
    """Equal directions score best: a similarity with the wrong sign would not."""
    values = hint(np.array([[1.0, 0.0]]), np.array([student]), metric="cosine")
    np.testing.assert_allclose(values, [value], atol=1e-7)


def test_cosine_forgets_the_scale_of_each_position():
    scale = RNG.uniform(0.1, 10.0, (*STUDENT.shape[:-1], 1)).astype("float32")
    np.testing.assert_allclose(
        hint(TEACHER, scale * STUDENT, metric="cosine"),
        hint(TEACHER, STUDENT, metric="cosine"),
        rtol=1e-5,
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_angle_is_mse_plus_weighted_cosine(weight):
    expected = hint(TEACHER, STUDENT) + weight * hint(TEACHER, STUDENT, "cosine")
    values = hint(TEACHER, STUDENT, "angle", angle_weight=weight)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("metric", HINT_METRICS)
def test_positions_may_be_laid_out_in_any_way(metric):
    as_tokens = [x.reshape(3, 8, 5) for x in (TEACHER, STUDENT)]
    np.testing.assert_allclose(
        hint(*as_tokens, metric=metric), hint(TEACHER, STUDENT, metric), rtol=1e-5
    )


@pytest.mark.parametrize("metric", ["l2", "cosine", "angle"])
def test_half_precision_students_get_a_finite_gradient_at_zero(metric):
    """1 / 1e-12 is infinite in float16, and infinity times 0 is no number."""
    x = tf.zeros((2, 3), "float16")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = Hint(metric)(np.ones((2, 3), "float32"), tf.nn.relu(x))
    assert np.all(np.isfinite(tape.gradient(value, x).numpy()))


def test_l2_normalize_gives_unit_vectors_and_zero_for_zero():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1e-9, 0.0]], "float32")
    expected = [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(l2_normalize(x), expected, rtol=1e-6)
    np.testing.assert_allclose(
        l2_normalize(x, axis=0)[:, 1], [1.0, 0.0, 0.0], rtol=1e-6
    )


@pytest.mark.parametrize("make", [Hint, lambda m: hint(TEACHER, STUDENT, m)])
def test_an_unknown_metric_is_refused_with_the_nearest_name(make):
    with pytest.raises(ValueError, match="Did you mean 'cosine'"):
        make("cosin")


def test_a_negative_angle_weight_is_refused():
    with pytest.raises(ValueError, match="`angle_weight` must be non-negative"):
        Hint("angle", angle_weight=-1.0)


def test_a_mixed_policy_does_not_reach_the_loss():
    keras.config.set_dtype_policy("mixed_float16")
    assert Hint().dtype == "float32"
