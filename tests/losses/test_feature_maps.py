"""What losses over reduced maps see, and what they are blind to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from keras_kd.losses import (
    attention_transfer,
    factor_transfer,
    flow_of_solution,
    inter_channel,
    neuron_selectivity,
)
from keras_kd.terms import DistillationTerm

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 3, 4, 6, 5))
ORDER = [3, 0, 4, 2, 1]


def equal(one, other, rtol=1e-9):
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12)


def test_attention_by_hand():
    """Two positions: the teacher's energies are (9 + 16, 0), the student's (0, 4)."""
    teacher = np.array([[[[3.0, 4.0], [0.0, 0.0]]]])
    student = np.array([[[[0.0, 0.0], [0.0, -2.0]]]])
    equal(attention_transfer(teacher, student), [(1 + 1) / 2])
    equal(attention_transfer(teacher, student, mode="paper"), [np.sqrt(2)])
    equal(factor_transfer(teacher, student), [(1 + 1) / 2])
    equal(factor_transfer(teacher, student, "paper"), [(0.6 + 0.8 + 1) / 4])


@pytest.mark.parametrize("arguments", [{}, {"power": 3.0}, {"mode": "paper"}])
def test_attention_is_blind_to_channels_scale_and_sign(arguments):
    value = attention_transfer(TEACHER, STUDENT, **arguments)
    scale = np.array([0.01, 1.0, 50.0]).reshape(3, 1, 1, 1)
    equal(attention_transfer(TEACHER, -scale * STUDENT[..., ORDER], **arguments), value)
    doubled = np.concatenate([STUDENT, STUDENT], axis=-1)
    equal(attention_transfer(TEACHER, doubled, **arguments), value)
    assert np.all(attention_transfer(TEACHER, STUDENT[:, ::-1]) != value)


def test_a_large_power_does_not_overflow():
    value = attention_transfer(
        1e4 * TEACHER.astype("float32"), STUDENT.astype("float32"), power=12.0
    )
    assert np.all(np.isfinite(value))
    equal(value, attention_transfer(TEACHER, STUDENT, power=12.0), rtol=1e-4)


def test_the_paper_s_norm_is_the_root_of_the_code_s_sum():
    code = np.asarray(attention_transfer(TEACHER, STUDENT))
    equal(attention_transfer(TEACHER, STUDENT, mode="paper"), np.sqrt(code * 4 * 6))


@pytest.mark.parametrize(
    "loss", [attention_transfer, factor_transfer, neuron_selectivity]
)
@pytest.mark.parametrize("larger", ["teacher", "student"])
def test_the_larger_map_is_pooled_to_the_smaller(loss, larger):
    """Integer ratios, where adaptive pooling is plain average pooling."""
    small = STUDENT[:, :2, :3]
    means = TEACHER.reshape(3, 2, 2, 3, 2, 5).mean(axis=(2, 4))
    if larger == "teacher":
        equal(loss(TEACHER, small), loss(means, small))
    else:
        equal(loss(small, TEACHER), loss(small, means))


def test_selectivity_is_blind_to_order_number_and_scale_of_channels():
    value = neuron_selectivity(TEACHER, STUDENT)
    scale = np.array([-1.0, 0.1, 3.0, 7.0, 20.0])
    equal(neuron_selectivity(TEACHER, scale * STUDENT[..., ORDER]), value)
    equal(neuron_selectivity(TEACHER, np.concatenate([STUDENT] * 3, -1)), value)


def test_selectivity_has_one_value_by_both_roads():
    """Many channels take the road over positions, their repetition does not change."""
    few, many = STUDENT[:, :2, :3], np.concatenate([STUDENT[:, :2, :3]] * 2, -1)
    teacher = np.concatenate([TEACHER[:, :2, :3]] * 2, -1)
    assert few.shape[-1] < 6 <= many.shape[-1]
    equal(neuron_selectivity(teacher, many), neuron_selectivity(teacher, few))


def test_flow_by_hand():
    """One position per map: G is the outer product of both channel vectors."""
    bottom, top = np.array([[[[1.0, 2.0]]]]), np.array([[[[3.0]]]])
    zeros = [np.zeros_like(bottom), np.zeros_like(top)]
    equal(flow_of_solution([bottom, top], zeros), [(3.0**2 + 6.0**2) / 2])


def test_flow_does_not_depend_on_where():
    teacher, student = [TEACHER, STUDENT[..., :3]], [STUDENT, TEACHER[..., :3]]
    shuffled = [x[:, ::-1, [4, 1, 0, 5, 2, 3]] for x in student]
    equal(flow_of_solution(teacher, shuffled), flow_of_solution(teacher, student))


@pytest.mark.parametrize("wrong", [TEACHER, [TEACHER], [TEACHER] * 3])
def test_flow_wants_two_maps_on_each_side(wrong):
    pair = [TEACHER, STUDENT]
    for sides in ((wrong, pair), (pair, wrong)):
        with pytest.raises(ValueError, match=r"pairs of maps \[bottom, top\]"):
            flow_of_solution(*sides)


def test_inter_channel_by_hand():
    """Equal channels: rows (1, 1)/√2; orthogonal ones: the identity's rows."""
    together = np.array([[[[1.0, 1.0], [0.0, 0.0]]]])
    apart = np.array([[[[2.0, 0.0], [0.0, 2.0]]]])
    gap = (1 - np.sqrt(0.5)) ** 2 + 0.5
    equal(inter_channel(together, apart), [2 * gap / 2])


def test_inter_channel_forgets_where_and_how_strong_but_not_which():
    value = inter_channel(TEACHER, STUDENT)
    shuffled = 7.0 * STUDENT[:, ::-1, [4, 1, 0, 5, 2, 3]]
    equal(inter_channel(TEACHER, shuffled), value)
    twice = np.concatenate([STUDENT, STUDENT], axis=1)
    equal(inter_channel(TEACHER, twice), value)
    assert np.all(np.asarray(inter_channel(TEACHER, TEACHER[..., ORDER])) > 1e-3)


@pytest.mark.parametrize(
    "loss", ["AttentionTransfer", "FactorTransfer", "NeuronSelectivity", "InterChannel"]
)
def test_what_is_no_map_is_refused_when_the_term_is_built(loss):
    term = DistillationTerm(getattr(losses, loss)(), adapter=None)
    with pytest.raises(ValueError, match=r"maps .* teacher \(None, 7\), student \(N"):
        term.build((None, 4, 4, 2), (None, 7))


def test_maps_of_unknown_size_are_compared_as_they_are():
    spec = tf.TensorSpec((None, None, None, 5), "float64")
    for loss in (attention_transfer, neuron_selectivity, inter_channel):
        traced = tf.function(loss, [spec, spec], autograph=False)
        equal(traced(TEACHER, STUDENT), loss(TEACHER, STUDENT))


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: losses.AttentionTransfer(power=0.5), "`power` must be at least 1"),
        (lambda: losses.AttentionTransfer(mode="papper"), "Did you mean 'paper'"),
        (lambda: losses.FactorTransfer("codes"), "`mode` must be one of"),
        (lambda: factor_transfer(TEACHER, STUDENT[..., 1:], "paper"), "many channels"),
    ],
)
def test_arguments_are_checked(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_dead_channels_of_a_half_precision_student_have_a_finite_gradient():
    x = tf.zeros((2, 3, 3, 4), "float16")
    for loss in (losses.NeuronSelectivity(), losses.InterChannel()):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(keras.ops.ones((2, 3, 3, 4)), tf.nn.relu(x))
        assert np.all(np.isfinite(tape.gradient(value, x).numpy()))
