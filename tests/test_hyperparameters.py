"""Numbers in the graph: assigned, scheduled, stored, checked."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.hyperparameters import Hyperparameter, hyperparameters_of
from keras_kd.losses import KLDistillation
from keras_kd.schedules import LinearWarmup, Ramp
from keras_kd.validation import non_negative, positive

COOLING = keras.optimizers.schedules.PolynomialDecay(8.0, 4, end_learning_rate=2.0)


@keras.saving.register_keras_serializable(package="tests")
def warm_up(step):
    return keras.ops.minimum(1.0, (keras.ops.cast(step, "float32") + 1.0) / 4.0)


def make(value, check=non_negative):
    return Hyperparameter(value, "weight", check)


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.25), np.int64(3)])
def test_a_number(value):
    parameter = make(value)
    assert float(parameter) == value
    assert parameter.dtype == "float32"
    assert not parameter.trainable
    assert parameter.schedule is None
    parameter.follow(7)
    assert float(parameter) == value


def test_an_assigned_value_acts_without_a_retrace():
    parameter, traces = make(1.0), []

    @tf.function(jit_compile=True)
    def scaled(x):
        traces.append(1)
        return parameter * x

    assert scaled(tf.constant(3.0)) == 3.0
    parameter.assign(0.5)
    assert scaled(tf.constant(3.0)) == 1.5
    assert len(traces) == 1


@pytest.mark.parametrize(
    "schedule, values",
    [
        (COOLING, [8.0, 6.5, 5.0, 3.5, 2.0, 2.0]),
        (warm_up, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
        (lambda step: 1.0 / (1.0 + keras.ops.cast(step, "float32")), [1.0, 0.5]),
    ],
)
@pytest.mark.parametrize("traced", [True, False], ids=["traced", "eager"])
def test_a_schedule_gives_its_value_at_each_step(schedule, values, traced):
    parameter = make(schedule)
    assert float(parameter) == values[0]
    follow = tf.function(parameter.follow) if traced else parameter.follow
    for step, value in enumerate(values):
        follow(tf.constant(step, "int64"))
        assert float(parameter) == pytest.approx(value)


def test_an_epoch_schedule_follows_the_epoch_and_others_the_step():
    by_epoch, by_step = make(LinearWarmup(1.0, epochs=4)), make(warm_up)
    assert float(by_epoch) == float(by_step) == 0.25
    for parameter in (by_epoch, by_step):
        parameter.follow(1, 2)
    assert (float(by_epoch), float(by_step)) == (0.75, 0.5)


def test_all_that_owners_keep():
    class Owner:
        def __init__(self, **kept):
            vars(self).update(kept)

    a, b = make(1.0), make(2.0)
    owners = Owner(weight=a, other=3.0), None, Owner(temperature=b)
    assert [id(x) for x in hyperparameters_of(*owners)] == [id(a), id(b)]


def test_mixed_precision_does_not_round_it():
    class Third(keras.layers.Layer):
        def build(self, shape):
            self.third = make(1.0 / 3.0)

        def call(self, x):
            return keras.ops.cast(self.third, "float32")

    third = Third(dtype="mixed_float16")(np.ones((1, 1)))
    assert float(third) == np.float32(1.0 / 3.0)


@pytest.mark.parametrize("value", [2.0, COOLING, warm_up])
def test_a_config_makes_it_anew(value):
    config = json.loads(json.dumps(make(value).get_config()))
    again = make(config)
    for step in range(4):
        again.follow(step)
        expected = float(value(step)) if callable(value) else value
        assert float(again) == pytest.approx(expected)


def test_an_epoch_schedule_comes_back():
    config = json.loads(json.dumps(make(Ramp(8.0, 2.0, 3)).get_config()))
    again = make(config)
    again.follow(100, 1)
    assert float(again) == 6.0


def test_an_assigned_value_is_the_one_that_is_stored():
    parameter = make(2.0)
    parameter.assign(0.5)
    assert parameter.get_config() == 0.5


@pytest.mark.parametrize("schedule", [COOLING, warm_up])
def test_a_schedule_inside_a_loss_comes_back(schedule):
    loss = KLDistillation(temperature=schedule)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(stored)
    again.temperature.follow(3)
    assert float(again.temperature) == pytest.approx(float(schedule(3)))


@pytest.mark.parametrize(
    "value, check, message",
    [
        (-0.1, non_negative, "`weight` must be non-negative. Received: weight=-0.1"),
        (0.0, positive, "`weight` must be positive. Received: weight=0.0"),
        ("0.5", positive, "`weight` must be positive. Received: weight='0.5'"),
        (True, positive, "`weight` must be positive. Received: weight=True"),
        (float("nan"), non_negative, "Received: weight=nan"),
        (lambda step: -1.0, positive, "Received: weight=-1.0"),
        (Ramp(-1.0, 1.0, 2), non_negative, "Received: weight=-1.0"),
    ],
)
def test_a_wrong_value_is_refused(value, check, message):
    with pytest.raises(ValueError, match=message):
        make(value, check)
