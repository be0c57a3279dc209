"""What a distillation step costs, against the least it can cost and against Keras.

    python benchmarks/step_overhead.py [--fast]

The least is the student's own training step plus one inference pass of the teacher.
Teacher : student is the ratio of their forward passes; 1:1 uses one network for
both. Every figure is CPU time, taken in turn in one process.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402
from timing import ratio, rounds, write  # noqa: E402

import keras_kd  # noqa: E402

BATCH, CLASSES = 64, 10
# Depth 22 against 2, or width 101 against 32: ten times the multiplications. Maps of
# another width need adapters, which train along; Keras cannot compare those at all.
SETTINGS = [
    ("1:1", "logits", {}),
    ("1:1", "features", {}),
    ("10:1", "logits", {"depth": 22}),
    ("10:1", "features", {"depth": 22}),
    ("10:1", "features, two adapters", {"width": 101}),
]
GOALS = {
    "ours : student + teacher": 1.02,
    "ours : keras.distillation, features, 1:1": 0.65,
}


def network(name: str, width: int = 32, depth: int = 2) -> keras.Model:
    """A small residual network over 32×32 images; taps `low` and `high`."""
    inputs = x = keras.Input((32, 32, 3))
    for tap, filters in (("low", width), ("high", 2 * width)):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        shortcut = x = layers.ReLU()(layers.BatchNormalization()(x))
        for _ in range(depth):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Add(name=tap)([x, shortcut])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x), name=name)


def ours(teacher, student, features):
    terms = keras_kd.methods.hinton()
    if features:
        terms += [
            keras_kd.DistillationTerm(keras_kd.losses.Hint(), tap, tap)
            for tap in ("low", "high")
        ]
    return keras_kd.Distiller(teacher, student, terms, hard_loss_weight=0.1)


def keras_own(teacher, student, features):
    """The same losses in `keras.distillation`, whose features must agree in shape."""
    losses = [keras.distillation.LogitsDistillation(temperature=4.0)]
    if features:
        losses += [
            keras.distillation.FeatureDistillation(
                loss="mse", teacher_layer_name=tap, student_layer_name=tap
            )
            for tap in ("low", "high")
        ]
    return keras.distillation.Distiller(
        teacher, student, losses, [1.0] * len(losses), student_loss_weight=0.1
    )


def compiled(model):
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def measure(larger: dict, features: bool, steps: int, repeats: int):
    """Seconds of each candidate, and the ratios that the goals speak of."""
    rng = np.random.default_rng(0)
    data = tf.data.Dataset.from_tensors(
        (
            rng.normal(size=(BATCH, 32, 32, 3)).astype("float32"),
            rng.integers(0, CLASSES, BATCH),
        )
    ).repeat(steps)
    images = data.map(lambda x, y: x)

    def pair():
        return network("teacher", **larger), network("student")

    candidates = {"student.fit": compiled(network("student"))}
    candidates["ours"] = compiled(ours(*pair(), features))
    if not features or "width" not in larger:
        candidates["keras.distillation"] = compiled(keras_own(*pair(), features))
    teacher = network("teacher", **larger)

    def fit(model):
        return lambda: model.fit(data, verbose=0)

    seconds = rounds(
        {
            "teacher.predict": lambda: teacher.predict(images, verbose=0),
            **{name: fit(model) for name, model in candidates.items()},
        },
        repeats,
    )
    least = [
        s + t
        for s, t in zip(seconds["student.fit"], seconds["teacher.predict"], strict=True)
    ]
    return {
        "milliseconds": {
            name: round(1000 * sorted(values)[len(values) // 2] / steps, 2)
            for name, values in seconds.items()
        },
        "ours : student + teacher": ratio(seconds["ours"], least),
        **{
            f"{a} : {b}": ratio(seconds[a], seconds[b] if b in seconds else least)
            for a, b in (
                ("ours", "keras.distillation"),
                ("keras.distillation", "student + teacher"),
            )
            if "keras.distillation" in seconds
        },
    }


def table(results: dict) -> str:
    """The figures as Markdown."""

    def cell(result, key):
        if key not in result:
            return "–"
        return "{median} ({low}–{high})".format(**result[key])

    lines = [
        "CPU time of a training step, median of the rounds of one run (quartiles).",
        "",
        "| teacher : student | terms | student.fit | teacher.predict | ours "
        "| keras.distillation | ours : (student + teacher) "
        "| ours : keras.distillation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, result in results.items():
        ms = result["milliseconds"]
        times = " | ".join(
            f"{ms[name]} ms" if name in ms else "–"
            for name in ("student.fit", "teacher.predict", "ours", "keras.distillation")
        )
        least = cell(result, "ours : student + teacher")
        keras_ratio = cell(result, "ours : keras.distillation")
        lines.append(f"| {key} | {times} | {least} | {keras_ratio} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the four settings and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="few steps, for a look")
    fast = parser.parse_args().fast
    steps, repeats = (5, 3) if fast else (20, 11)
    results = {}
    for costs, terms, larger in SETTINGS:
        print(f"{costs}, {terms} ", end="", flush=True)
        features = terms != "logits"
        results[f"{costs} | {terms}"] = measure(larger, features, steps, repeats)
    write("step_overhead", {"goals": GOALS, "results": results}, table(results))


if __name__ == "__main__":
    main()
