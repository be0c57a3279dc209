"""What training from a store costs: an epoch, and thirty with the labelling."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import keras
import numpy as np
from timing import clocked, ratio

from keras_kd import FrozenTeacher
from keras_kd.store import Augmentation, label

from .task import BATCH, Task, compiled, keras_own, ours, student

EPOCHS = 30
THIRTY = f"{EPOCHS} epochs and a labelling : keras.distillation"


def epochs(task: Task) -> dict:
    """An epoch from the store : the student's own `fit` on the same arrays.

    Thirty epochs with one labelling are put together from the same rounds: a
    labelling, and thirty times an epoch, against thirty epochs of
    `keras.distillation`.
    """
    places = np.arange(task.steps * BATCH) % len(task.x)
    x, y = task.x[places], task.y[places]
    teacher = FrozenTeacher(task.teacher, engine="auto")
    augment = Augmentation(flip=True, crop=4)
    with tempfile.TemporaryDirectory() as folder:
        stores = {
            "stored": label(teacher, (x, y), Path(folder, "a"), verbose=0),
            "stored, augmented": label(
                teacher, (x, y), Path(folder, "b"), views=2, augment=augment, verbose=0
            ),
        }
        models = {name: ours(store) for name, store in stores.items()}
        data = {
            "stored": stores["stored"].dataset((x, y), BATCH),
            "stored, augmented": stores["stored, augmented"].dataset(
                (x, y), BATCH, augment=augment
            ),
        }
        plain, live = compiled(student()), ours(teacher)
        theirs = keras_own(task.teacher)

        def fit(model, batches):
            return lambda: model.fit(batches, shuffle=False, verbose=0)

        def labelled():
            with tempfile.TemporaryDirectory() as other:
                label(teacher, x, Path(other, "store"), verbose=0)

        cpu, wall = clocked(
            {
                "student.fit": lambda: plain.fit(x, y, batch_size=BATCH, verbose=0),
                "keras.distillation": lambda: theirs.fit(
                    x, y, batch_size=BATCH, verbose=0
                ),
                "live": lambda: live.fit(x, y, batch_size=BATCH, verbose=0),
                "label": labelled,
                **{name: fit(models[name], data[name]) for name in models},
            },
            task.repeats,
        )
    found: dict = {"examples": len(x), "seconds": {}, "weights apart": apart(task)}
    for clock, seconds in (("cpu", cpu), ("wall", wall)):
        once = [
            labelling + EPOCHS * epoch
            for labelling, epoch in zip(
                seconds["label"], seconds["stored"], strict=True
            )
        ]
        thirty = [EPOCHS * epoch for epoch in seconds["keras.distillation"]]
        found[clock] = {
            name: ratio(seconds[name], seconds["student.fit"])
            for name in ("stored", "stored, augmented", "live", "keras.distillation")
        } | {THIRTY: ratio(once, thirty)}
        found["seconds"][clock] = {
            name: statistics.median(values) for name, values in seconds.items()
        }
    return found


def apart(task: Task, epochs: int = 2) -> float:
    """The largest difference of a weight: the same training, live and from a store."""
    data = task.x[: 4 * BATCH], task.y[: 4 * BATCH]
    with tempfile.TemporaryDirectory() as folder:
        store = label(task.teacher, data, folder, precision="float32", verbose=0)
        weights = []
        for teacher, targets in ((FrozenTeacher(task.teacher), False), (store, True)):
            keras.utils.set_random_seed(0)
            model = ours(teacher)
            batches = store.dataset(data, BATCH, seed=1, targets=targets)
            model.fit(batches, epochs=epochs, shuffle=False, verbose=0)
            weights.append(model.student.get_weights())
        del store, batches, model
    pairs = zip(*weights, strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)
