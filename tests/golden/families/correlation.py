"""DIST and multi-level distillation: correlations written as sums over pairs."""

from __future__ import annotations

import itertools
import math

import numpy as np
from cases import Cases, each_row, padded
from families.logit import kl, softmax, standardized_row


def pearson(x, y):
    """The correlation of two lists, 1e-8 added to the product of the norms."""
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    x, y = [v - mean_x for v in x], [v - mean_y for v in y]
    dot = math.fsum(a * b for a, b in zip(x, y, strict=True))
    return dot / (math.hypot(*x) * math.hypot(*y) + 1e-8)


def examples_of(logits, temperature, mask):
    """For each example, the probabilities of its unmasked positions."""
    return [
        [
            softmax(logits[(example, *at)], temperature)
            for at in np.ndindex(logits.shape[1:-1])
            if mask is None or mask[(example, *at)]
        ]
        for example in range(len(logits))
    ]


def dist(teacher, student, beta=1.0, gamma=1.0, temperature=1.0, mask=None):
    p, q = (examples_of(x, temperature, mask) for x in (teacher, student))
    over_classes = [
        math.fsum(1.0 - pearson(a, b) for a, b in zip(*pair, strict=True))
        / max(len(pair[0]), 1)
        for pair in zip(p, q, strict=True)
    ]
    columns = [zip(*itertools.chain(*x), strict=True) for x in (p, q)]
    gaps = [1.0 - pearson(a, b) for a, b in zip(*columns, strict=True)]
    over_batch = math.fsum(gaps) / len(gaps)
    return np.array(
        [temperature**2 * (beta * own + gamma * over_batch) for own in over_classes]
    )


def dots(rows):
    return [
        [math.fsum(a * b for a, b in zip(x, y, strict=True)) for y in rows]
        for x in rows
    ]


def class_correlation(teacher, student, temperature=4.0, mask=None):
    p, q = (
        [list(c) for c in zip(*itertools.chain(*examples_of(x, temperature, mask)))]  # noqa: B905
        for x in (teacher, student)
    )
    pairs = itertools.product(range(len(p)), repeat=2)
    p, q = dots(p), dots(q)
    value = math.fsum((p[i][j] - q[i][j]) ** 2 for i, j in pairs) / len(p)
    return np.full(len(teacher), value)


def batch_correlation(teacher, student, temperature=4.0, mask=None):
    groups = examples_of(teacher, temperature, mask)
    owner = [example for example, rows in enumerate(groups) for _ in rows]
    p = dots(list(itertools.chain(*groups)))
    q = dots(list(itertools.chain(*examples_of(student, temperature, mask))))
    values = [0.0] * len(teacher)
    for i, j in itertools.product(range(len(owner)), repeat=2):
        values[owner[i]] += (p[i][j] - q[i][j]) ** 2 * len(teacher) / len(owner)
    return np.array(values)


def multi_level(
    teacher,
    student,
    base_temperature=4.0,
    temperatures=(2.0, 3.0, 5.0, 6.0),
    every_temperature=True,
    standardize=False,
    mask=None,
):
    levels = [base_temperature, *temperatures]
    total = np.zeros(len(teacher))
    for temperature in levels if every_temperature else levels[:1]:
        total += class_correlation(teacher, student, temperature, mask)
        total += batch_correlation(teacher, student, temperature, mask)
    if standardize:
        teacher, student = (each_row(standardized_row, x) for x in (teacher, student))
    return total + sum(kl(teacher, student, t, mask) for t in levels)


def family():
    cases = Cases(seed=22)
    pair = cases.pair
    kinds = {
        "vectors": pair(5, 4, scale=2.0),
        "more classes than examples": pair(3, 7, scale=2.0),
        "two classes, batch of 2": pair(2, 2),
        "sequences": pair(2, 3, 4),
        "padded sequences": {**pair(3, 3, 5, scale=2.0), "mask": padded(3, 2, 0)},
        "confident": pair(4, 3, scale=8.0),
    }
    for case, inputs in kinds.items():
        for name in ("dist", "DIST"):
            cases.add(name, case, dist, inputs)
            given = {"beta": 2.0, "gamma": 0.5, "temperature": 4.0}
            cases.add(name, f"{case}, other weights", dist, inputs, **given)
        for compute in (class_correlation, batch_correlation):
            name = compute.__name__
            cases.add(name, case, compute, inputs)
            cases.add(name, f"{case}, sharp", compute, inputs, temperature=0.5)
        cases.add("MultiLevelKD", case, multi_level, inputs)
    for case, given in {
        "the base alone": {"temperatures": [], "base_temperature": 1.0},
        "correlations at the base": {"every_temperature": False},
        "standardized": {"standardize": True, "temperatures": [2.0]},
    }.items():
        inputs = kinds["padded sequences"]
        cases.add("MultiLevelKD", case, multi_level, inputs, **given)
    return cases.entries
