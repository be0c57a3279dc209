"""Small pictures whose class is a place, and a network for them."""

import keras
import numpy as np

from keras_kd.datasets import Dataset, hide_labels
from keras_kd.workflow.training import train

CLASSES = 3


def tiny_dataset(samples=48, test=24, labelled=None, shape=(6, 6, 1)):
    """Bright patches, whose place is the class."""
    rng = np.random.default_rng(0)

    def part(count):
        y = np.arange(count) % CLASSES
        x = rng.uniform(0, 0.3, (count, *shape)).astype("float32")
        for image, label in zip(x, y, strict=True):
            image[2 * label : 2 * label + 2] += 0.6
        return x, y

    dataset = Dataset("patches", *part(samples), *part(test), ("top", "mid", "low"))
    return dataset if labelled is None else hide_labels(dataset, labelled)


def network(width=4, activation=None, classes=CLASSES, shape=(6, 6, 1), name="net"):
    inputs = keras.Input(shape, name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(classes, activation=activation, name="logits")(x)
    return keras.Model(inputs, x, name=name)


def trained_teacher():
    """A network that has learned `tiny_dataset`."""
    keras.utils.set_random_seed(0)
    model = network(8, name="teacher")
    train(
        model, tiny_dataset(), epochs=10, batch_size=16, learning_rate=0.01, verbose=0
    )
    return model
