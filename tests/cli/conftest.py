"""A folder with a teacher, a student and data, and the command in it."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import cli
from tests.cli.words import CLASSES


def network(width, name, activation=None, side=8):
    keras.utils.set_random_seed(width)
    return keras.Sequential(
        [
            keras.Input((side, side, 1), name="image"),
            layers.Conv2D(width, 3, strides=2, activation="relu", name="body"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation=activation, name="head"),
        ],
        name=name,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A teacher, a student and data, as files."""
    folder = tmp_path_factory.mktemp("cli")
    network(16, "wide").save(folder / "teacher.keras")
    network(4, "narrow").save(folder / "student.keras")
    network(16, "softmax", "softmax", side=12).save(folder / "softmax.keras")
    rng = np.random.default_rng(0)
    x = rng.random((192, 8, 8, 1), "float32")
    y = np.arange(192) % 3
    np.savez(folder / "data.npz", x=x, y=y, class_names=np.array(CLASSES))
    return folder


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """Runs the command in the folder: (exit code, output, errors)."""
    monkeypatch.chdir(folder)

    def call(*argv):
        code = cli.main([str(word) for word in argv])
        return (code, *capsys.readouterr())

    return call
