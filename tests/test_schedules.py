"""Values by epoch: against the sentence that defines them."""

import json
import math

import keras
import pytest
import tensorflow as tf

from keras_kd.schedules import LinearWarmup, Ramp

SCHEDULES = {
    "warm-up": (LinearWarmup(8.0, epochs=4), [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]),
    "one epoch": (LinearWarmup(0.5, epochs=1), [0.5, 0.5]),
    "nothing": (LinearWarmup(0.0), [0.0, 0.0]),
    "down": (Ramp(8.0, 2.0, epochs=3), [8.0, 6.0, 4.0, 2.0, 2.0]),
    "through zero": (Ramp(-1.0, 1.0, epochs=2), [-1.0, 0.0, 1.0, 1.0]),
    "cosine": (
        Ramp(0.0, 4.0, 4, curve="cosine"),
        [2.0 - 2.0 * math.cos(math.pi * e / 4) for e in range(5)] + [4.0],
    ),
}
each = pytest.mark.parametrize("name", SCHEDULES)


@each
@pytest.mark.parametrize("traced", [True, False], ids=["traced", "eager"])
def test_values(name, traced):
    schedule, values = SCHEDULES[name]
    function = tf.function(schedule) if traced else schedule
    for epoch, value in enumerate(values):
        found = function(tf.constant(epoch, "float32") if traced else epoch)
        assert float(found) == pytest.approx(value, abs=1e-6)


@each
def test_a_config_makes_it_anew(name):
    schedule, _ = SCHEDULES[name]
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    again = keras.saving.deserialize_keras_object(stored)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert vars(again) == schedule.get_config()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LinearWarmup(-1.0), "`value` must be non-negative"),
        (lambda: LinearWarmup(1.0, epochs=0), "`epochs` must be a positive integer"),
        (lambda: LinearWarmup(1.0, epochs=2.5), "`epochs` must be a positive integer"),
        (lambda: Ramp("a", 1.0, 2), "`start` must be .*'a'"),
        (lambda: Ramp(1.0, math.inf, 2), "`stop` must be .*inf"),
        (lambda: Ramp(1.0, 2.0, 0), "`epochs` must be a positive integer"),
        (lambda: Ramp(1.0, 2.0, 2, "cosin"), "`curve` must be one of.*'cosine'"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
