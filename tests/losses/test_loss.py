"""The base class: what a user's own loss gets from it."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_kd.losses import DistillationLoss
from keras_kd.losses.loss import snake_case
from keras_kd.losses.numerics import at_least_float32, mean_over_positions

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 4, 3)).astype("float32")


class MeanGap(DistillationLoss):
    def call(self, teacher, student):
        return ops.mean(ops.abs(teacher - student), axis=-1)


class WithLabels(DistillationLoss):
    """The teacher's logit of the label."""

    uses_labels = True

    def call(self, targets, student):
        labels = ops.cast(targets["labels"], "int32")
        return ops.take_along_axis(targets["teacher"], labels[:, None], axis=-1)[:, 0]


class Relations(DistillationLoss):
    compares = "relations"

    def call(self, teacher, student):
        return ops.mean(teacher, axis=-1) - ops.mean(student, axis=-1)


def test_a_loss_of_one_method():
    values = np.abs(TEACHER - STUDENT).mean(axis=-1)
    np.testing.assert_allclose(MeanGap()(TEACHER, STUDENT), values.mean(), rtol=1e-6)
    assert MeanGap().name == "mean_gap"
    assert isinstance(MeanGap(), keras.losses.Loss)


def test_a_loss_over_several_features_gets_lists():
    class Pairs(DistillationLoss):
        def call(self, teacher, student):
            return sum(
                ops.mean(ops.square(t - s), axis=-1)
                for t, s in zip(teacher, student, strict=True)
            )

    both = Pairs(reduction=None)([TEACHER, 2 * TEACHER], [STUDENT, 2 * STUDENT])
    once = np.square(TEACHER - STUDENT).mean(axis=-1)
    np.testing.assert_allclose(both, 5 * once, rtol=1e-5)


def test_labels_arrive_beside_the_teacher():
    targets = {"teacher": TEACHER, "labels": np.array([2, 0, 1, 1])}
    values = WithLabels(reduction=None)(targets, STUDENT)
    np.testing.assert_array_equal(values, TEACHER[range(4), [2, 0, 1, 1]])


def test_only_a_loss_that_takes_a_mask_gets_one():
    mask = np.ones(4, bool)
    assert MeanGap()(TEACHER, STUDENT, mask=mask) == MeanGap()(TEACHER, STUDENT)


@pytest.mark.parametrize(
    "teacher, student, agree",
    [
        ((None, 4, 4, 8), (None, 4, 4, 8), True),
        ((None, None, None, 8), (2, 4, 4, 8), True),
        ((None, 8), (None, 9), False),
        ((None, 4, 8), (None, 8), False),
    ],
)
def test_shapes_are_compared_unless_relations_are(teacher, student, agree):
    Relations().check_shapes(teacher, student)
    if agree:
        MeanGap().check_shapes(teacher, student)
    else:
        with pytest.raises(ValueError, match="MeanGap compares tensors of one shape"):
            MeanGap().check_shapes(teacher, student)


def test_relations_may_have_other_shapes():
    assert Relations(reduction=None)(TEACHER, STUDENT[:, :2]).shape == (4,)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "float32"])
def test_at_least_float32(dtype):
    (x,) = at_least_float32(ops.cast(TEACHER, dtype))
    assert keras.backend.standardize_dtype(x.dtype) == "float32"


def test_float64_stays_float64():
    pair = at_least_float32(TEACHER.astype("float64"), STUDENT)
    assert all(keras.backend.standardize_dtype(x.dtype) == "float64" for x in pair)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2)])
def test_mean_over_positions(shape):
    values = RNG.normal(size=shape).astype("float32")
    expected = values.reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(mean_over_positions(values), expected, rtol=1e-5)


def test_mean_over_the_positions_that_count():
    values = np.array([[1.0, 2.0, 6.0], [4.0, np.nan, np.inf], [7.0, 8.0, 9.0]])
    mask = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    np.testing.assert_allclose(mean_over_positions(values, mask), [3.0, 4.0, 0.0])


@pytest.mark.parametrize("wrong", [(4, 2), (4,), (4, 3, 1)])
def test_a_mask_of_another_shape_is_refused(wrong):
    with pytest.raises(ValueError, match="`mask` must have one entry per position"):
        mean_over_positions(TEACHER, np.ones(wrong, bool))


@pytest.mark.parametrize(
    "name, snake",
    [
        ("Hint", "hint"),
        ("KLDistillation", "kl_distillation"),
        ("KerasLoss", "keras_loss"),
        ("DIST", "dist"),
        ("GeneralizedJSD", "generalized_jsd"),
        ("MultiLevelKD", "multi_level_kd"),
        ("ReverseKL", "reverse_kl"),
    ],
)
def test_snake_case(name, snake):
    assert snake_case(name) == snake
