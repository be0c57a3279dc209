"""Divergences other than the forward KL, regression of logits, the top k."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases, padded, per_example


def log_softmax(logits, temperature):
    top = max(logits)
    scaled = [(z - top) / temperature for z in logits]
    total = math.log(math.fsum(map(math.exp, scaled)))
    return [z - total for z in scaled]


def kl_of_logs(log_a, log_b):
    return math.fsum(math.exp(a) * (a - b) for a, b in zip(log_a, log_b, strict=True))


def reverse_row(teacher, student, temperature):
    sides = (log_softmax(z, temperature) for z in (student, teacher))
    return temperature**2 * kl_of_logs(*sides)


def symmetric_row(teacher, student, temperature, balance):
    backward = balance * reverse_row(teacher, student, temperature)
    return reverse_row(student, teacher, temperature) + backward


def jsd_row(teacher, student, beta, temperature):
    log_p, log_q = (log_softmax(z, temperature) for z in (teacher, student))
    if beta in (0, 1):
        return kl_of_logs(log_q, log_p) if beta else kl_of_logs(log_p, log_q)
    mixed = [
        math.log(beta * math.exp(p) + (1 - beta) * math.exp(q))
        for p, q in zip(log_p, log_q, strict=True)
    ]
    return beta * kl_of_logs(log_p, mixed) + (1 - beta) * kl_of_logs(log_q, mixed)


def mse_row(teacher, student):
    gaps = [(t - s) ** 2 for t, s in zip(teacher, student, strict=True)]
    return math.fsum(gaps) / len(gaps)


def hinge_row(teacher, student, margin, balance):
    total = 0.0
    for t, s in zip(teacher, student, strict=True):
        total += max(0.0, t - s + margin) + balance * max(0.0, s - t + margin)
    return total / len(teacher)


def reverse_kl(teacher, student, temperature=4.0, mask=None):
    row = lambda t, s: reverse_row(t, s, temperature)  # noqa: E731
    return per_example(row, teacher, student, mask)


def symmetric_kl(teacher, student, temperature=4.0, balance=1.0, mask=None):
    row = lambda t, s: symmetric_row(t, s, temperature, balance)  # noqa: E731
    return per_example(row, teacher, student, mask)


def generalized_jsd(teacher, student, beta=0.5, temperature=0.9, mask=None):
    row = lambda t, s: jsd_row(t, s, beta, temperature)  # noqa: E731
    return per_example(row, teacher, student, mask)


def logit_mse(teacher, student, mask=None):
    return per_example(mse_row, teacher, student, mask)


def hinge(teacher, student, margin=1.0, balance=1.0, mask=None):
    row = lambda t, s: hinge_row(t, s, margin, balance)  # noqa: E731
    return per_example(row, teacher, student, mask)


def top_k_row(values, indices, student):
    """The whole target, class by class."""
    classes, k = len(student), len(values)
    rest = (1.0 - math.fsum(values)) / (classes - k) if classes > k else 0.0
    target = [rest] * classes
    for value, index in zip(values, indices, strict=True):
        target[int(index)] = value
    logs = log_softmax(student, 1.0)
    return -math.fsum(p * q for p, q in zip(target, logs, strict=True))


def top_k(values, indices, student, mask=None, num_classes=None):
    results = []
    for example in range(len(student)):
        kept = [
            top_k_row(*(x[(example, *at)] for x in (values, indices, student)))
            for at in np.ndindex(student.shape[1:-1])
            if mask is None or mask[(example, *at)]
        ]
        results.append(math.fsum(kept) / len(kept) if kept else 0.0)
    return np.array(results)


def top_k_of_logits(teacher, student, k=10, mask=None):
    """From live logits: the softmax, and its k largest."""
    flat = teacher.reshape(-1, teacher.shape[-1])
    chances = np.array([[math.exp(z) for z in log_softmax(row, 1.0)] for row in flat])
    indices = np.argsort(-chances, axis=-1)[:, :k]
    values = np.take_along_axis(chances, indices, axis=-1)
    shape = (*teacher.shape[:-1], k)
    return top_k(values.reshape(shape), indices.reshape(shape), student, mask)


def family():
    cases = Cases(seed=11)
    kinds = {
        "vectors": cases.pair(4, 6, scale=2.0),
        "two classes, batch of 2": cases.pair(2, 2),
        "padded sequences": {**cases.pair(3, 4, 5), "mask": padded(4, 2, 0)},
    }
    table = {
        ("reverse_kl", "ReverseKL"): (reverse_kl, {"temperature": 2.0}),
        ("symmetric_kl", "SymmetricKL"): (
            symmetric_kl,
            {"temperature": 2.0, "balance": 0.5},
        ),
        ("generalized_jsd", "GeneralizedJSD"): (
            generalized_jsd,
            {"beta": 0.1, "temperature": 1.5},
        ),
        ("logit_mse", "LogitMSE"): (logit_mse, {}),
        ("hinge", "HingeDistillation"): (hinge, {"margin": 0.3, "balance": 2.0}),
    }
    for names, (compute, arguments) in table.items():
        for name in names:
            cases.add(name, "defaults", compute, kinds["vectors"])
            for case, inputs in kinds.items() if arguments else ():
                cases.add(name, case, compute, inputs, **arguments)
            if not arguments:
                cases.add(name, "sequences", compute, kinds["padded sequences"])
    for name in ("generalized_jsd", "GeneralizedJSD"):
        for beta in (0.0, 1.0):
            case = f"beta {beta}"
            cases.add(name, case, generalized_jsd, kinds["vectors"], beta=beta)
    add_top_k(cases)
    return cases.entries


def add_top_k(cases):
    chances = cases.rng.dirichlet(np.ones(7), (2, 3)).round(3)
    indices = np.argsort(cases.rng.random((2, 3, 7)), axis=-1)
    student = cases.pair(2, 3, 7)["student"]
    for case, k in (("three of seven", 3), ("all classes", 7)):
        stored = {"values": chances[..., :k], "indices": indices[..., :k]}
        inputs = {**stored, "student": student}
        cases.add("top_k_cross_entropy", case, top_k, inputs, num_classes=7)
        cases.add("TopKDistillation", f"stored, {case}", top_k, inputs)
        masked = {**inputs, "mask": padded(3, 1)}
        cases.add("top_k_cross_entropy", f"{case}, padded", top_k, masked)
    for case, inputs in {
        "vectors": cases.pair(3, 6, scale=3.0),
        "padded sequences": {**cases.pair(2, 3, 5), "mask": padded(3, 1)},
    }.items():
        cases.add("TopKDistillation", case, top_k_of_logits, inputs, k=2)
