"""What a live teacher costs: a step with it, and a pass over the data to label it."""

from __future__ import annotations

import logging
import statistics
import tempfile
from pathlib import Path

import numpy as np
from timing import clocked, ratio

from keras_kd import FrozenTeacher
from keras_kd.store import label
from keras_kd.store.labelling.readiness import CALIBRATED_ON, COMPARED_ON

from .task import BATCH, Task, compiled, keras_own, ours, student


def live_steps(task: Task) -> dict:
    """A training step by each engine : student.fit + teacher.predict."""
    data = task.batches()
    images = data.map(lambda x, y: x)
    fitted = {
        "student.fit": compiled(student()),
        "keras.distillation": keras_own(task.teacher),
        **{
            engine: ours(FrozenTeacher(task.teacher, engine=engine))
            for engine in ("tensorflow", "litert", "onnx", "auto")
        },
    }

    def fit(model):
        return lambda: model.fit(data, shuffle=False, verbose=0)

    cpu, wall = clocked(
        {
            "teacher.predict": lambda: task.teacher.predict(images, verbose=0),
            **{name: fit(model) for name, model in fitted.items()},
        },
        task.repeats,
    )
    return {
        "r": ratio(cpu["teacher.predict"], cpu["student.fit"]),
        **{
            clock: {
                name: ratio(seconds[name], _least(seconds))
                for name in fitted
                if name != "student.fit"
            }
            for clock, seconds in (("cpu", cpu), ("wall", wall))
        },
        "engine of auto": fitted["auto"].teacher.chosen,
    }


def labelling(task: Task) -> dict:
    """`label` by each engine : teacher.predict, over the same images.

    Each labels a few images and many: the ratio is of what the many take longer, and
    so without the start, which converts, calibrates and compares on as many examples
    as the few are; it is told apart.
    """
    few, more = CALIBRATED_ON + COMPARED_ON, 2 * task.steps * BATCH
    images = task.x[np.arange(few + more) % len(task.x)]
    teachers = {
        "tensorflow": FrozenTeacher(task.teacher),
        "litert": FrozenTeacher(task.teacher, engine="litert"),
        "int8": FrozenTeacher(task.teacher, engine="litert", precision="int8"),
    }

    def written(teacher, count):
        def run():
            with tempfile.TemporaryDirectory() as folder:
                label(teacher, images[:count], Path(folder, "store"), verbose=0)

        return run

    def predict():
        task.teacher.predict(images[:more], batch_size=BATCH, verbose=0)

    candidates = {"teacher.predict": predict}
    for name, teacher in teachers.items():
        candidates[f"{name}, few"] = written(teacher, few)
        candidates[name] = written(teacher, few + more)
    found: dict = {"images": more, "start": {}}
    for clock, seconds in zip(
        ("cpu", "wall"), clocked(candidates, task.repeats), strict=True
    ):
        found[clock], found["start"][clock] = {}, {}
        for name in teachers:
            pairs = zip(seconds[name], seconds[f"{name}, few"], strict=True)
            longer = [many - less for many, less in pairs]
            found[clock][name] = ratio(longer, seconds["teacher.predict"])
            start = statistics.median(seconds[f"{name}, few"])
            found["start"][clock][name] = start - few / more * statistics.median(longer)
    found["agreement of int8"] = teachers["int8"].agreement(task.x)
    return found


def _least(seconds: dict[str, list[float]]) -> list[float]:
    pair = seconds["student.fit"], seconds["teacher.predict"]
    return [a + b for a, b in zip(*pair, strict=True)]


logging.getLogger("keras_kd").setLevel(logging.WARNING)
