"""A teacher of few clean images guards against many wrong labels."""

import keras
import numpy as np

from keras_kd import Distiller, methods
from keras_kd.datasets import load_dataset
from tests.models import cross_entropy


def network(width, name):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name=name)


def trained(model, x, y, epochs, batch_size):
    model.compile(keras.optimizers.Adam(0.01), cross_entropy())
    keras.utils.set_random_seed(1)
    model.fit(x, y, batch_size, epochs, verbose=0)
    return model


def test_trust_in_labels_gains_where_three_in_ten_are_wrong():
    data = load_dataset("digits", test_fraction=0.5)
    x, y = data.x_train, data.y_train
    teacher = trained(network(64, "t"), x[:300], y[:300], 30, 32)
    rng = np.random.default_rng(1)
    wrong = rng.random(len(y)) < 0.3
    noisy = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    accuracy, repeated = {}, {}
    for strength in (None, "label_trust"):
        student = network(128, "s")
        terms = methods.hinton(temperature=1.0, weight=1.0)
        trained(Distiller(teacher, student, terms, strength=strength), x, noisy, 40, 64)
        found = np.argmax(student(data.x_test), -1)
        accuracy[strength] = np.mean(found == data.y_test)
        learnt = np.argmax(student(x[wrong]), -1) == noisy[wrong]
        repeated[strength] = np.mean(learnt)
    assert accuracy["label_trust"] > accuracy[None] + 0.01
    assert repeated["label_trust"] < repeated[None] / 2
