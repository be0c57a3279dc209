"""Two replicas on one machine train as one device does on the global batch."""

import pytest

from tests.replicas import run_on_two_devices

SCRIPT = """
from keras_kd import Agreement, DistillationTerm, Distiller, methods
from tests.models import cnn, cross_entropy

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 8, 8, 3)).astype("float32")
y = rng.integers(0, 5, 64)
weight = np.linspace(0.5, 1.5, 64).astype("float32")

def train(strategy):
    with strategy.scope():
        student = cnn("s")
        student.get_layer("bn").trainable = False
        keras.utils.set_random_seed(3)
        ramp = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
        distiller = Distiller(
            cnn("t", 8, seed=1),
            student,
            [*methods.hinton(weight=ramp),
             DistillationTerm("mse", "gap", "gap", weight=0.1, name="gap")],
            hard_loss_weight=0.3,
        )
        distiller.compile(keras.optimizers.SGD(0.1, momentum=0.9), cross_entropy(),
                          metrics=["accuracy", Agreement()])
    history = distiller.fit(x, y, sample_weight=weight, batch_size=16, epochs=2,
                            shuffle=False, verbose=0, validation_data=(x, y))
    return student.get_weights(), history.history

one, logs_one = train(tf.distribute.get_strategy())
two, logs_two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
assert max(abs(a - b).max() for a, b in zip(one, two)) < 1e-5
assert set(logs_one) == set(logs_two)
for key in logs_one:
    np.testing.assert_allclose(logs_one[key], logs_two[key], rtol=1e-4, err_msg=key)
"""


@pytest.mark.slow
def test_mirrored_replicas_equal_one_device():
    run_on_two_devices(SCRIPT)
