"""What the papers say of temperature KL and of standardized logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.losses import KLDistillation, kl_divergence, standardize_logits

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0.0, 2.0, (2, 6, 5)).astype("float32")


def gradient(student, teacher=TEACHER, **arguments):
    """The gradient of the sum over the batch, by the student's logits."""
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = KLDistillation(**arguments, reduction="sum")(teacher, student)
    return tape.gradient(value, student).numpy()


@pytest.mark.parametrize("side", ["teacher", "student"])
@pytest.mark.parametrize("constant", [3.0, -50.0])
def test_a_constant_added_to_logits_changes_nothing(side, constant):
    shifted = {"teacher": TEACHER, "student": STUDENT}
    shifted[side] = shifted[side] + np.float32(constant)
    np.testing.assert_allclose(
        kl_divergence(**shifted), kl_divergence(TEACHER, STUDENT), atol=2e-4
    )


@pytest.mark.parametrize("scale, shift", [(3.0, 0.0), (0.1, 0.0), (1.0, 7.0)])
@pytest.mark.parametrize("side", ["teacher", "student"])
def test_standardized_logits_forget_scale_and_shift(side, scale, shift):
    loss = KLDistillation(temperature=2.0, standardize=True, reduction=None)
    changed = {"teacher": TEACHER, "student": STUDENT}
    changed[side] = np.float32(scale) * changed[side] + np.float32(shift)
    values = loss(changed["teacher"], changed["student"])
    np.testing.assert_allclose(values, loss(TEACHER, STUDENT), atol=1e-4)
    # It is the standardization that forgets the scale; a shift is always forgotten.
    if scale != 1.0:
        plain = KLDistillation(temperature=2.0, reduction=None)
        assert not np.allclose(
            plain(changed["teacher"], changed["student"]),
            plain(TEACHER, STUDENT),
            rtol=0.1,
        )


def test_standardized_logits_have_mean_0_and_deviation_1():
    z = standardize_logits(10.0 * TEACHER + 3.0).numpy()
    np.testing.assert_allclose(z.mean(axis=-1), 0.0, atol=1e-6)
    np.testing.assert_allclose(z.std(axis=-1, ddof=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_a_head_that_starts_at_zero_learns_from_standardized_logits(noise):
    zeros = np.float32(noise) * STUDENT
    slope = gradient(zeros, standardize=True, temperature=2.0)
    assert 0.01 < np.linalg.norm(slope, axis=-1).min()
    assert np.linalg.norm(slope) < 10.0
    assert np.all(np.argmin(slope, axis=-1) == np.argmax(TEACHER, axis=-1))


def test_the_gradient_keeps_its_size_at_every_temperature():
    size = {t: np.linalg.norm(gradient(STUDENT, temperature=t)) for t in (4, 16, 64)}
    assert 0.5 < size[16] / size[4] < 2.0
    # Without the factor T² it would fall to a sixteenth.
    assert 0.95 < size[64] / size[16] < 1.2


def test_hot_kl_becomes_the_squared_difference_of_centred_logits():
    """Hinton et al., equations 2 to 4: the gradient tends to (z_s − z_t) / C."""
    teacher, student = TEACHER.astype("float64"), STUDENT.astype("float64")
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = tf.reduce_sum(kl_divergence(teacher, student, temperature=1e4))
    slope = tape.gradient(value, student)
    gap = student.numpy() - teacher
    expected = (gap - gap.mean(axis=-1, keepdims=True)) / gap.shape[-1]
    np.testing.assert_allclose(slope, expected, rtol=1e-2, atol=1e-3)


def test_a_confidently_wrong_student_keeps_its_gradient():
    """Clipped probabilities would saturate at 16.1 with the gradient 0."""
    teacher = np.array([[50.0, -50.0]], "float32")
    values = KLDistillation(temperature=1.0, reduction=None)(teacher, -teacher)
    np.testing.assert_allclose(values, 100.0, rtol=1e-5)
    slope = gradient(-teacher, teacher, temperature=1.0)
    np.testing.assert_allclose(slope, [[-1.0, 1.0]], rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_against_keras_on_probabilities(temperature):
    p, q = (keras.ops.softmax(z / temperature) for z in (TEACHER, STUDENT))
    expected = temperature**2 * keras.losses.kl_divergence(p, q)
    np.testing.assert_allclose(
        kl_divergence(TEACHER, STUDENT, temperature), expected, rtol=1e-3
    )


def test_the_teacher_comes_first():
    wide, narrow = np.array([[0.0, 0.0]], "float32"), np.array([[9.0, 0.0]], "float32")
    forward = float(kl_divergence(wide, narrow, temperature=1.0)[0])
    # KL(uniform ‖ sharp) is large, KL(sharp ‖ uniform) at most log 2.
    assert forward > 3.0
    assert float(kl_divergence(narrow, wide, temperature=1.0)[0]) < np.log(2.0)


def test_temperature_acts_on_a_traced_graph():
    loss = KLDistillation(temperature=4.0)
    traces = []

    @tf.function(autograph=False)
    def step(teacher, student):
        traces.append(1)
        return loss(teacher, student)

    inputs = tf.constant(TEACHER), tf.constant(STUDENT)
    before = float(step(*inputs))
    loss.temperature.assign(1.0)
    after = float(step(*inputs))
    assert len(traces) == 1
    np.testing.assert_allclose(before, np.mean(kl_divergence(TEACHER, STUDENT, 4.0)))
    np.testing.assert_allclose(after, np.mean(kl_divergence(TEACHER, STUDENT, 1.0)))
    assert abs(after - before) > 0.1


def test_temperature_may_be_a_tensor():
    np.testing.assert_allclose(
        kl_divergence(TEACHER, STUDENT, tf.constant(2.0)),
        kl_divergence(TEACHER, STUDENT, 2.0),
    )


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), None, "4"])
def test_a_temperature_that_is_not_positive_is_refused(bad):
    with pytest.raises(ValueError, match="`temperature` must be positive. Received"):
        KLDistillation(temperature=bad)


@pytest.mark.parametrize(
    "formula", [standardize_logits, lambda z: kl_divergence(z, z)], ids=["std", "kl"]
)
def test_a_single_class_is_refused(formula):
    with pytest.raises(ValueError, match=r"two classes or more.*\(4, 1\)"):
        formula(np.zeros((4, 1), "float32"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_functions_compute_half_precision_in_float32(dtype):
    teacher, student = (keras.ops.cast(x, dtype) for x in (TEACHER, STUDENT))
    for values in (kl_divergence(teacher, student), standardize_logits(student)):
        assert keras.backend.standardize_dtype(values.dtype) == "float32"


def test_a_class_that_both_rule_out_adds_nothing():
    """A masked vocabulary: logits of minus infinity on both sides."""
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 3, 6)).astype("float32")
    open_classes = np.arange(6) != 4
    masked = [np.where(open_classes, z, -np.inf) for z in (teacher, student)]
    z = tf.Variable(masked[1])
    with tf.GradientTape() as tape:
        value = kl_divergence(masked[0], z)
    expected = kl_divergence(teacher[:, open_classes], student[:, open_classes])
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.isfinite(tape.gradient(value, z)).all()
