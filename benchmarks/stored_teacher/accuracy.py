"""1,000 classes: bytes a row, and what a student learns from fewer of them."""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_kd
from keras_kd.store import label

CLASSES, SIZE, TOP = 1000, 64, 10
FULL, COMPACT = "float32, all", f"compact, top {TOP}"
PRECISIONS: dict[str, dict[str, Any] | None] = {
    FULL: {"precision": "float32"},
    "float16, all": {"precision": "float16"},
    f"float16, top {TOP}": {"precision": "float16", "top_k": TOP},
    COMPACT: {"precision": "compact", "top_k": TOP},
    "no teacher": None,
}


def accuracy(fast: bool, temperature: float = 1.0) -> dict:
    """Test accuracy of one student by what was stored of its teacher.

    The data: noisy points around 1,000 centres in 125 groups, some of them with a
    wrong label, of which the teacher saw many and the student few.
    """
    seeds, each = (range(2), 20) if fast else (range(5), 60)
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(CLASSES // 8, SIZE))
    centres = groups[np.arange(CLASSES) % len(groups)]
    centres = centres + 0.6 * rng.normal(size=(CLASSES, SIZE))

    def drawn(count, noise=0.5, mistaken=0.2):
        y = np.arange(CLASSES * count) % CLASSES
        x = centres[y] + noise * rng.normal(size=(len(y), SIZE))
        wrong = rng.random(len(y)) < mistaken
        return x.astype("float32"), np.where(wrong, rng.integers(0, CLASSES, len(y)), y)

    x_test, y_test = drawn(10, mistaken=0)
    keras.utils.set_random_seed(0)
    teacher = trained(mlp("teacher", 512), *drawn(each), epochs=4 if fast else 12)
    x, y = drawn(8)
    students: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in PRECISIONS.items():
            store = None
            if options is not None:
                path = Path(folder, name.replace(", ", "-").replace(" ", "-"))
                store = label(
                    teacher, (x, y), path, temperature=temperature, verbose=0, **options
                )
            scores = []
            for seed in seeds:
                keras.utils.set_random_seed(seed)
                taught = learned(store, x, y, temperature, epochs=6 if fast else 20)
                scores.append(score(taught, x_test, y_test))
            students[name] = {
                "bytes": None if store is None else store.manifest.row_bytes,
                "accuracy": statistics.mean(scores),
                "sd": statistics.stdev(scores),
            }
            print(f"  {name}: {students[name]['accuracy']:.4f}", flush=True)
    full = students[FULL]
    return {
        "classes": CLASSES,
        "seeds": len(seeds),
        "teacher": score(teacher, x_test, y_test),
        "mass": mass(teacher, x, temperature),
        "students": students,
        "lost": {name: lost(row, full) for name, row in students.items()},
    }


def mass(teacher: keras.Model, x: np.ndarray, temperature: float) -> float:
    """The share of the teacher's probability that its top classes hold."""
    logits = teacher.predict(x, batch_size=1000, verbose=0) / temperature
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return float(np.sort(p)[:, -TOP:].sum(-1).mean())


def lost(one: dict[str, Any], full: dict[str, Any]) -> float:
    """How far a mean lies below another, in standard deviations of a seed's score."""
    spread = statistics.mean([one["sd"] ** 2, full["sd"] ** 2]) ** 0.5
    distance = full["accuracy"] - one["accuracy"]
    return distance / spread if spread else distance and math.copysign(1e9, distance)


def mlp(name: str, width: int) -> keras.Model:
    """A small network over points."""
    return keras.Sequential(
        [
            keras.Input((SIZE,)),
            layers.Dense(width, "relu"),
            layers.Dense(width, "relu"),
            layers.Dense(CLASSES),
        ],
        name=name,
    )


def trained(model: keras.Model, x, y, epochs: int) -> keras.Model:
    """A model after its own training."""
    compile_with(model)
    model.fit(x, y, batch_size=256, epochs=epochs, verbose=0)
    return model


def learned(store, x, y, temperature: float, epochs: int) -> keras.Model:
    """A fresh student after its epochs, from a store or from the labels alone."""
    model = mlp("student", 96)
    if store is None:
        return trained(model, x, y, epochs)
    terms = keras_kd.methods.hinton(temperature=temperature)
    distiller = keras_kd.Distiller(store, model, terms, hard_loss_weight=0.1)
    compile_with(distiller)
    distiller.fit(store.dataset((x, y), 256), epochs=epochs, verbose=0)
    return model


def compile_with(model: keras.Model) -> None:
    """The optimizer and loss of all of them."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, jit_compile=False)


def score(model: keras.Model, x, y) -> float:
    """The share of examples whose class it finds."""
    found = np.argmax(model.predict(x, batch_size=1000, verbose=0), axis=-1)
    return float(np.mean(found == y))
