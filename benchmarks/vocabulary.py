"""Logit losses over a vocabulary of 128,000 classes: memory and time.

    python benchmarks/vocabulary.py [--fast]

The extra memory is the peak of a forward and backward pass above what the inputs take,
in tensors of the logits' size; the gradient itself is one of them. Each figure comes
from a process of its own: ours, and the published formula in plain `keras.ops`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import ops  # noqa: E402
from timing import write  # noqa: E402

from keras_kd import losses  # noqa: E402

CLASSES = 128_000
GOAL = 0.3
MODES = ("graph", "eager")
REPEATS = 3


def softened(teacher, student, temperature):
    sides = (ops.log_softmax(z / temperature) for z in (teacher, student))
    return [(ops.exp(log), log) for log in sides]


def kl(teacher, student, labels, temperature=4.0):
    (p, log_p), (_, log_q) = softened(teacher, student, temperature)
    return temperature**2 * ops.sum(p * (log_p - log_q), axis=-1)


def reverse_kl(teacher, student, labels):
    return kl(student, teacher, labels)


def symmetric_kl(teacher, student, labels):
    return kl(teacher, student, labels) + kl(student, teacher, labels)


def standardized(teacher, student, labels):
    def standardize(z):
        centred = z - ops.mean(z, axis=-1, keepdims=True)
        squares = ops.sum(ops.square(centred), axis=-1, keepdims=True)
        return centred / (1e-7 + ops.sqrt(squares / (CLASSES - 1)))

    return kl(standardize(teacher), standardize(student), labels)


def jsd(teacher, student, labels, beta=0.5, temperature=0.9):
    (p, log_p), (q, log_q) = softened(teacher, student, temperature)
    sides = [log_p + np.log(beta), log_q + np.log(1.0 - beta)]
    log_m = ops.logsumexp(ops.stack(sides), axis=0)
    from_p = ops.sum(p * (log_p - log_m), axis=-1)
    return beta * from_p + (1.0 - beta) * ops.sum(q * (log_q - log_m), axis=-1)


def mse(teacher, student, labels):
    return ops.mean(ops.square(teacher - student), axis=-1)


def hinge(teacher, student, labels):
    above = ops.maximum(0.0, student - teacher + 1.0)
    return ops.mean(ops.maximum(0.0, teacher - student + 1.0) + above, axis=-1)


def top_k(teacher, student, labels, k=10):
    values, indices = ops.top_k(ops.softmax(teacher), k)
    chosen = ops.sum(ops.one_hot(indices, CLASSES), axis=-2)
    rest = (1.0 - ops.sum(values, axis=-1, keepdims=True)) / (CLASSES - k)
    own = ops.one_hot(indices, CLASSES) * ops.expand_dims(values, -1)
    target = ops.sum(own, axis=-2) + (1.0 - chosen) * rest
    return -ops.sum(target * ops.log_softmax(student), axis=-1)


def decoupled(teacher, student, labels, temperature=4.0):
    target = ops.one_hot(labels, CLASSES)
    pairs, others = [], []
    for z in (teacher, student):
        p = ops.softmax(z / temperature)
        own = ops.sum(p * target, axis=-1)
        pairs.append((own, ops.sum(p * (1.0 - target), axis=-1)))
        others.append(ops.log_softmax(z / temperature - 1000.0 * target))
    tckd = sum(p * ops.log(p / q) for p, q in zip(*pairs, strict=True))
    nckd = ops.sum(ops.exp(others[0]) * (others[0] - others[1]), axis=-1)
    return temperature**2 * (tckd + 8.0 * nckd)


def dist(teacher, student, labels):
    def pearson(a, b, axis):
        a, b = (x - ops.mean(x, axis=axis, keepdims=True) for x in (a, b))
        norms = [ops.sqrt(ops.sum(ops.square(x), axis=axis)) for x in (a, b)]
        return ops.sum(a * b, axis=axis) / (norms[0] * norms[1] + 1e-8)

    p, q = ops.softmax(teacher), ops.softmax(student)
    return 2.0 - pearson(p, q, -1) - ops.mean(pearson(p, q, 0))


def weighted(teacher, student, labels, temperature=2.0):
    target = ops.one_hot(labels, CLASSES)
    hard = [-ops.sum(target * ops.log_softmax(z), axis=-1) for z in (student, teacher)]
    soft = ops.softmax(teacher / temperature) * ops.log_softmax(student / temperature)
    weight = ops.stop_gradient(1.0 - ops.exp(-hard[0] / (hard[1] + 1e-7)))
    return -weight * temperature**2 * ops.sum(soft, axis=-1)


def multi_level(teacher, student, labels):
    total = 0.0
    for temperature in (4.0, 2.0, 3.0, 5.0, 6.0):
        total += kl(teacher, student, labels, temperature)
    p, q = ops.softmax(teacher / 4.0), ops.softmax(student / 4.0)
    gram = ops.matmul(p, ops.transpose(p)) - ops.matmul(q, ops.transpose(q))
    return total + ops.sum(ops.square(gram), axis=-1)


def unlabelled(loss):
    return lambda teacher, student, labels: loss(teacher, student)


def labelled(loss):
    return lambda teacher, student, labels: loss(
        {"teacher": teacher, "labels": labels}, student
    )


# The plain formula of multi-level distillation leaves its classes × classes matrix
# out, which would take 61 GiB.
LOSSES = {
    "KLDistillation": (kl, unlabelled),
    "KLDistillation(standardize=True)": (standardized, unlabelled),
    "ReverseKL": (reverse_kl, unlabelled),
    "SymmetricKL": (symmetric_kl, unlabelled),
    "GeneralizedJSD": (jsd, unlabelled),
    "LogitMSE": (mse, unlabelled),
    "HingeDistillation": (hinge, unlabelled),
    "TopKDistillation": (top_k, unlabelled),
    "DecoupledKD": (decoupled, labelled),
    "DIST": (dist, unlabelled),
    "WeightedSoftLabel": (weighted, labelled),
    "MultiLevelKD": (multi_level, unlabelled),
}


def status(field: str) -> int:
    """A figure of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        found = next(line for line in lines if line.startswith(field))
    return 1024 * int(found.split()[1])


def measure(name: str, kind: str, mode: str, batch: int) -> dict:
    """Peak and seconds of a forward and backward pass, in this process."""
    plain, calls = LOSSES[name]
    arguments = {"standardize": True} if "standardize" in name else {}
    own = getattr(losses, name.partition("(")[0])(reduction=None, **arguments)
    loss = calls(own) if kind == "ours" else plain

    def step(teacher, student, labels):
        teacher = ops.stop_gradient(teacher)
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = ops.mean(loss(teacher, student, labels))
        return value, tape.gradient(value, student)

    rng = np.random.default_rng(0)

    def draw():
        z = 3.0 * rng.standard_normal((batch, CLASSES), dtype="float32")
        return tf.constant(z)

    inputs = draw(), draw(), tf.constant(rng.integers(0, CLASSES, batch), "int32")
    step(*(x[:2] for x in inputs))
    if mode == "graph":
        step = tf.function(step)
        step.get_concrete_function(*inputs)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")
    before = status("VmRSS")
    value, gradient = step(*inputs)
    extra = status("VmHWM") - before
    result = {"value": float(value), "norm": float(tf.norm(gradient))}
    del gradient
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step(*inputs)
        seconds.append(time.perf_counter() - start)
    return {
        **result,
        "tensors": round(extra / (4 * batch * CLASSES), 2),
        "seconds": round(sorted(seconds)[REPEATS // 2], 3),
    }


def in_a_process(*what: str) -> dict | None:
    """`measure` in a fresh process; None where it fails, out of memory say."""
    run = subprocess.run(
        [sys.executable, __file__, "--one", *what], capture_output=True, text=True
    )
    return json.loads(run.stdout.splitlines()[-1]) if run.returncode == 0 else None


def table(results: dict, batch: int) -> str:
    """The figures as Markdown."""
    mib = 4 * batch * CLASSES / 2**20
    lines = [
        f"Extra memory of a forward and backward pass at {CLASSES:,} classes, batch "
        f"{batch}, in tensors of the logits' size ({mib:.0f} MiB); the gradient is "
        "one. Seconds are the median's ratio, ours : plain.",
        "",
        "| loss | mode | plain | ours | ours : plain | time, ours : plain |",
        "|---|---|---|---|---|---|",
    ]
    for key, (plain, ours) in results.items():
        loss, mode = key.split(" | ")
        cells = [f"{x['tensors']}" if x else "failed" for x in (plain, ours)]
        ratios = ["–", "–"]
        if plain and ours:
            ratios = [f"{ours[of] / plain[of]:.2f}" for of in ("tensors", "seconds")]
        lines.append("| " + " | ".join([loss, mode, *cells, *ratios]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure each loss in each mode, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="two losses, small batch")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        *what, batch = options.one
        print(json.dumps(measure(*what, int(batch))))
        return
    batch = 64 if options.fast else 256
    names = ["KLDistillation", "TopKDistillation"] if options.fast else LOSSES
    results = {}
    for name in names:
        for mode in MODES:
            print(f"{name}, {mode}", flush=True)
            results[f"{name} | {mode}"] = [
                in_a_process(name, kind, mode, str(batch)) for kind in ("plain", "ours")
            ]
    figures = {"goal": GOAL, "classes": CLASSES, "batch": batch, "results": results}
    write("vocabulary", figures, table(results, batch))


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
