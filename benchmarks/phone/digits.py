"""Digits of 8×8 pixels: the teacher and the student of `examples/demo.py`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import keras

from keras_kd import workflow
from keras_kd.datasets import load_dataset

from .cache import Cache
from .task import CNN_RECIPES, Task, Training, Unavailable

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import demo  # noqa: E402

TRAINING = Training(epochs=60, rate=1e-2, more=15, more_rate=1e-3)
SEEDS = (0, 1, 2, 3, 4)


def task(folder: Path, fast: bool = False) -> Task:
    """The task; with `fast`, shorter trainings of one student, for a look."""
    setting = demo.SETTINGS["digits"]
    try:
        dataset = load_dataset("digits")
    except ImportError as error:
        raise Unavailable(str(error)) from error
    epochs = 8 if fast else setting.teacher_epochs
    about = {"epochs": epochs, "blocks": setting.teacher}
    cache = Cache(folder / "digits-teacher", about)

    def teach(model):
        workflow.train(
            model,
            dataset,
            epochs=epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.teacher_learning_rate,
            augment=setting.augment,
            verbose=0,
        )

    keras.utils.set_random_seed(0)
    blank = demo.network("teacher", setting.teacher, dataset)
    teacher = cache.trained("teacher", blank, teach)
    training = dataclasses.replace(TRAINING, epochs=8, more=2) if fast else TRAINING
    return Task(
        name="digits",
        family="cnn",
        teacher_name=f"a CNN of {teacher.count_params():,} parameters",
        teacher_accuracy=workflow.accuracy(teacher, dataset),
        about="scikit-learn's digits, CNN at 8×8",
        x_train=dataset.x_train,
        y_train=dataset.y_train,
        x_test=dataset.x_test,
        y_test=dataset.y_test,
        network=lambda: demo.network("student", setting.student, dataset),
        training=training,
        recipes=CNN_RECIPES,
        modes=("int8", "weight_only_int4"),
        seeds=(0,) if fast else SEEDS,
        teacher=teacher,
        augment=setting.augment,
    )
