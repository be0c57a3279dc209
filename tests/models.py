"""Small models for tests, the same from the same seed."""

import keras
from keras import layers

LOGITS = {"from_logits": True}


def cnn(name, width=4, classes=5, activation=None, seed=0, **head):
    """Taps: c (conv), bn, body (map after ReLU), gap (vector), head."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(width, 3, padding="same", name="c")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="body")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dense(classes, activation=activation, name="head", **head)(x)
    return keras.Model(inputs, x, name=name)


def cross_entropy(**kwargs):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **kwargs)


class Subclassed(keras.Model):
    """A subclassed network with the layers `body` and `head`."""

    def __init__(self, width=4, classes=5, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.body = layers.Conv2D(width, 3, activation="relu", name="body")
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(classes, activation=activation, name="head")

    def call(self, x, training=None):
        return self.head(self.pool(self.body(x)))


def one_step(model, *data, **kwargs):
    """The logs of a single training step, as floats in every version of Keras."""
    model.reset_metrics()
    logs = model.train_on_batch(*data, return_dict=True, **kwargs)
    return {key: float(value) for key, value in logs.items()}


def scores(model, *data, **kwargs):
    """What `evaluate` reports, as floats in every version of Keras."""
    logs = model.evaluate(*data, return_dict=True, verbose=0, **kwargs)
    return {key: float(value) for key, value in logs.items()}
