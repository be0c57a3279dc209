"""Keras's own losses, their names and plain functions, as distillation losses."""

import keras
import numpy as np
import pytest

from keras_kd.losses import DistillationLoss, Hint, KerasLoss
from keras_kd.losses.keras_loss import as_distillation_loss

RNG = np.random.default_rng(0)
# As many examples as columns: a weight on the wrong axis would not be noticed.
TEACHER, STUDENT = RNG.normal(size=(2, 4, 3, 4, 2)).astype("float32")
WEIGHTS = np.array([0.0, 1.0, 2.0, 5.0], "float32")


def gap(teacher, student):
    return keras.ops.max(keras.ops.abs(teacher - student), axis=-1)


def scalar(teacher, student):
    return keras.ops.mean(teacher - student)


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_a_weight_belongs_to_its_example(loss):
    per_example = np.square(TEACHER - STUDENT).mean(axis=(1, 2, 3))
    values = KerasLoss(loss, reduction=None)(TEACHER, STUDENT, WEIGHTS)
    np.testing.assert_allclose(values, WEIGHTS * per_example, rtol=1e-5)


@pytest.mark.parametrize(
    "loss, name",
    [
        ("mse", "mean_squared_error"),
        (keras.losses.LogCosh(), "log_cosh"),
        (keras.losses.LogCosh(name="soft"), "soft"),
        (gap, "gap"),
        (lambda teacher, student: gap(teacher, student), "lambda"),
    ],
)
def test_the_name_is_the_losss_own(loss, name):
    assert KerasLoss(loss).name == name
    assert KerasLoss(loss, name="mine").name == "mine"


def test_the_reduction_is_the_losss_own_unless_given():
    loss = keras.losses.MeanAbsoluteError(reduction="sum")
    assert KerasLoss(loss).reduction == "sum"
    assert KerasLoss(loss, reduction=None).reduction is None
    assert KerasLoss("mae").reduction == "sum_over_batch_size"


def test_arguments_of_the_wrapped_loss_survive_a_config():
    loss = KerasLoss(keras.losses.BinaryCrossentropy(from_logits=True))
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    labels = (TEACHER > 0).astype("float32")
    assert again(labels, STUDENT) == loss(labels, STUDENT)
    assert again.loss.get_config()["from_logits"]


def test_a_keras_mask_counts_positions():
    mask = np.zeros(TEACHER.shape[:3], bool)
    mask[:, 0, :2] = True
    kept = np.square(TEACHER - STUDENT).mean(axis=-1)[:, 0, :2].mean(axis=1)
    values = KerasLoss("mse", reduction=None)(TEACHER, STUDENT, mask=mask)
    np.testing.assert_allclose(values, kept, rtol=1e-5)


@pytest.mark.parametrize("loss", ["kl_divergence", "kld", keras.losses.KLDivergence()])
def test_keras_kl_is_refused(loss):
    """It takes probabilities: softmax and T² would be skipped without a word."""
    with pytest.raises(ValueError, match=r"losses.KLDistillation\(temperature"):
        KerasLoss(loss)


def test_a_scalar_is_refused():
    with pytest.raises(ValueError, match="`scalar` must return one value per example"):
        KerasLoss(scalar)(TEACHER, STUDENT)


@pytest.mark.parametrize("loss", [None, 3.0])
def test_what_is_no_loss_is_refused(loss):
    with pytest.raises((TypeError, ValueError), match="Received|interpret"):
        KerasLoss(loss)


def test_only_what_is_no_distillation_loss_is_wrapped():
    hint = Hint()
    assert as_distillation_loss(hint) is hint
    wrapped = as_distillation_loss("mse")
    assert isinstance(wrapped, KerasLoss) and isinstance(wrapped, DistillationLoss)
