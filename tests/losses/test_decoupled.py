"""What the papers say of losses that look at the label."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.losses import (
    DecoupledKD,
    WeightedSoftLabel,
    decoupled_kd,
    kl_divergence,
    standardize_logits,
    weighted_soft_label,
)

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0.0, 2.0, (2, 6, 5)).astype("float32")
LABELS = RNG.integers(0, 5, 6)
LOSSES = [decoupled_kd, weighted_soft_label]
each_loss = pytest.mark.parametrize("loss", LOSSES)


def slope(loss, teacher, student, labels, **arguments):
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = tf.reduce_sum(loss(teacher, student, labels, **arguments))
    return float(value), tape.gradient(value, student).numpy()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_plain_distillation_is_its_two_parts(temperature):
    """Zhao et al., equation 6: KD = TCKD + (1 − p_y) NCKD."""
    p = keras.ops.softmax(TEACHER / temperature).numpy()
    others = 1.0 - p[np.arange(6), LABELS]
    parts = [
        decoupled_kd(TEACHER, STUDENT, LABELS, alpha, beta, temperature).numpy()
        for alpha, beta in ((1.0, 0.0), (0.0, 1.0))
    ]
    whole = kl_divergence(TEACHER, STUDENT, temperature)
    np.testing.assert_allclose(parts[0] + others * parts[1], whole, rtol=1e-4)


def test_the_target_logit_is_nothing_to_the_other_classes():
    raised = TEACHER.copy()
    raised[np.arange(6), LABELS] = 1e4
    values = decoupled_kd(raised, STUDENT, LABELS, alpha=0.0, beta=1.0)
    expected = decoupled_kd(TEACHER, STUDENT, LABELS, alpha=0.0, beta=1.0)
    np.testing.assert_array_equal(values, expected)


def test_a_sure_teacher_still_hands_on_the_other_classes():
    """The point of the paper: plain distillation hands on next to nothing here."""
    sure = TEACHER.copy()
    sure[np.arange(6), LABELS] += 40.0
    own = np.eye(5, dtype=bool)[LABELS]
    plain = slope(
        lambda t, s, y: kl_divergence(t, s, 1.0), sure, sure + STUDENT, LABELS
    )
    ours = slope(decoupled_kd, sure, sure + STUDENT, LABELS, temperature=1.0)
    assert np.abs(plain[1][~own]).max() < 1e-6
    assert np.abs(ours[1][~own]).max() > 0.1


def test_two_classes_have_no_others():
    teacher, student, labels = TEACHER[:, :2], STUDENT[:, :2], LABELS % 2
    np.testing.assert_array_equal(decoupled_kd(teacher, student, labels, 0.0, 8.0), 0.0)
    np.testing.assert_allclose(
        decoupled_kd(teacher, student, labels, 1.0, 8.0),
        kl_divergence(teacher, student),
        rtol=1e-5,
    )


@each_loss
def test_a_confidently_wrong_student_keeps_its_gradient(loss):
    teacher = np.array([[30.0, -30.0, 0.0]], "float32")
    value, gradient = slope(loss, teacher, -teacher, np.array([0]), temperature=1.0)
    assert value > 50.0
    assert gradient[0, 0] < -0.9 and gradient[0, 1] > 0.9


@each_loss
@pytest.mark.parametrize("label", [0, 1, 2])
def test_sure_logits_of_any_sign_stay_finite(loss, label):
    teacher = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]], "float32")
    for student in (teacher, -teacher, teacher[:, ::-1].copy()):
        value, gradient = slope(loss, teacher, student, np.array([label, label]))
        assert np.isfinite(value) and np.isfinite(gradient).all()


@each_loss
def test_labels_in_every_form_are_the_same(loss):
    expected = loss(TEACHER, STUDENT, LABELS)
    soft = 0.9 * np.eye(5)[LABELS] + 0.02
    for labels in (LABELS.astype("float32"), LABELS[:, None], np.eye(5)[LABELS], soft):
        np.testing.assert_array_equal(loss(TEACHER, STUDENT, labels), expected)


@each_loss
@pytest.mark.parametrize("shape", [(5,), (6, 4), (6, 5, 1), ()])
def test_labels_of_another_shape_are_refused(loss, shape):
    with pytest.raises(ValueError, match="takes one label per position") as refusal:
        loss(TEACHER, STUDENT, np.zeros(shape, "int32"))
    assert str(shape) in str(refusal.value) and "(6, 5)" in str(refusal.value)


@each_loss
def test_labels_that_are_no_class_may_stand_at_padding(loss):
    teacher, student = TEACHER.reshape(2, 3, 5), STUDENT.reshape(2, 3, 5)
    labels, mask = LABELS.reshape(2, 3).copy(), np.array([[1, 1, 0], [1, 0, 0]], bool)
    expected = slope(loss, teacher, student, labels, mask=mask)
    labels[~mask] = -100
    value, gradient = slope(loss, teacher, student, labels, mask=mask)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


def test_standardized_logits_go_in():
    loss = DecoupledKD(standardize=True, temperature=2.0, reduction=None)
    teacher, student = standardize_logits(TEACHER), standardize_logits(STUDENT)
    np.testing.assert_allclose(
        loss({"teacher": TEACHER, "labels": LABELS}, STUDENT),
        decoupled_kd(teacher, student, LABELS, temperature=2.0),
        rtol=1e-6,
    )


def test_a_student_who_knows_and_a_teacher_who_does_not_weigh_nothing():
    knows = (20.0 * np.eye(5)[LABELS]).astype("float32")
    wrong = (20.0 * np.eye(5)[(LABELS + 1) % 5]).astype("float32")
    assert np.all(weighted_soft_label(wrong, knows, LABELS).numpy() < 1e-5)
    # And the other way round, all of it: the plain soft cross-entropy.
    p, log_q = keras.ops.softmax(knows / 2.0), keras.ops.log_softmax(wrong / 2.0)
    plain = -4.0 * keras.ops.sum(p * log_q, axis=-1)
    np.testing.assert_allclose(
        weighted_soft_label(knows, wrong, LABELS), plain, rtol=1e-5
    )


def test_the_weight_is_not_differentiated():
    """The gradient is the weight times that of the soft cross-entropy."""
    _, gradient = slope(weighted_soft_label, TEACHER, STUDENT, LABELS, temperature=1.0)
    entropy = keras.losses.sparse_categorical_crossentropy
    of_student = entropy(LABELS, STUDENT, from_logits=True).numpy()
    of_teacher = entropy(LABELS, TEACHER, from_logits=True).numpy()
    weight = 1.0 - np.exp(-of_student / (of_teacher + 1e-7))
    gap = keras.ops.softmax(STUDENT) - keras.ops.softmax(TEACHER)
    np.testing.assert_allclose(gradient, weight[:, None] * gap, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("loss", [DecoupledKD, WeightedSoftLabel])
def test_a_temperature_layer_may_take_the_place_of_its_own(loss):
    targets = {"teacher": TEACHER, "labels": LABELS}
    np.testing.assert_allclose(
        loss()(targets, STUDENT, temperature=tf.constant(3.0)),
        loss(temperature=3.0)(targets, STUDENT),
    )


@pytest.mark.parametrize("argument", ["alpha", "beta"])
def test_a_negative_weight_is_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be non-negative"):
        DecoupledKD(**{argument: -1.0})


@each_loss
def test_a_temperature_has_a_gradient(loss):
    temperature = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(loss(TEACHER, STUDENT, LABELS, temperature=temperature))
    above, below = (
        float(np.sum(loss(TEACHER, STUDENT, LABELS, temperature=3.0 + step)))
        for step in (1e-2, -1e-2)
    )
    expected = (above - below) / 2e-2
    np.testing.assert_allclose(tape.gradient(value, temperature), expected, rtol=1e-2)
