"""Two replicas on one machine train as one device does on the global batch."""

import pytest

from tests.replicas import run_on_two_devices

SCRIPT = """
from keras_kd import (
    Agreement, DistillationTerm, Distiller, FrozenTeacher, methods
)
from keras_kd.objective.balance import MagnitudeBalance
from keras_kd.callbacks import Stage, Stages
from keras_kd.schedules import LinearWarmup
from tests.models import cnn, cross_entropy

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 8, 8, 3)).astype("float32")
y = rng.integers(0, 5, 64)
weight = np.linspace(0.5, 1.5, 64).astype("float32")

def train(strategy, gap=0.1, stages=(), engine="tensorflow", **joined):
    with strategy.scope():
        student = cnn("s")
        student.get_layer("bn").trainable = False
        keras.utils.set_random_seed(3)
        ramp = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
        distiller = Distiller(
            FrozenTeacher(cnn("t", 8, seed=1), engine=engine),
            student,
            [*methods.hinton(weight=ramp),
             DistillationTerm("mse", "gap", "gap", weight=gap, name="gap")],
            hard_loss_weight=0.3,
            **{key: make() for key, make in joined.items()},
        )
        distiller.compile(keras.optimizers.SGD(0.1, momentum=0.9), cross_entropy(),
                          metrics=["accuracy", Agreement()], jit_compile=False)
    assert abs(float(distiller.hard_loss_weight) - 0.3) < 1e-6
    history = distiller.fit(x, y, sample_weight=weight, batch_size=16, epochs=2,
                            shuffle=False, verbose=0, validation_data=(x, y),
                            callbacks=[Stages(stages)] if stages else [])
    return student.get_weights(), history.history

# One for all: a second one would number its reductions as the first did.
devices = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def compare(**settings):
    one, logs_one = train(tf.distribute.get_strategy(), **settings)
    two, logs_two = train(devices, **settings)
    assert max(abs(a - b).max() for a, b in zip(one, two)) < 1e-5
    assert set(logs_one) == set(logs_two)
    for key in logs_one:
        np.testing.assert_allclose(logs_one[key], logs_two[key], rtol=1e-4, err_msg=key)

compare()
compare(engine="litert")
compare(
    gap=LinearWarmup(0.2, epochs=4),
    stages=[Stage(1, ["gap"], ["c"]), Stage()],
    strength=lambda: "entropy",
    balance=lambda: MagnitudeBalance(decay=0.5, log_scales=True),
)
"""


@pytest.mark.slow
def test_mirrored_replicas_equal_one_device():
    run_on_two_devices(SCRIPT)
