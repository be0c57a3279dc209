"""Models, data and stores for the tests of labelling."""

import keras
import numpy as np
from keras import layers


def network(width=8, seed=0, name="wide", activation=None):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(width, 3, strides=2, activation="relu", name="body"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(5, activation=activation, name="head"),
        ],
        name=name,
    )


def images(count=100, seed=0):
    return np.random.default_rng(seed).random((count, 8, 8, 1), "float32")


def contents(folder):
    """The bytes of a store's files, by name."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return {path.name: path.read_bytes() for path in files}
