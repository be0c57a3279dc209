"""Distances between features, position by position."""

from __future__ import annotations

import itertools
import math

from cases import Cases, padded, per_example

METRICS = ("mse", "l1", "l2", "cosine", "angle")


def hint_of_position(teacher, student, metric, angle_weight=1.0):
    """The distance of two channel vectors."""
    gaps = [t - s for t, s in zip(teacher, student, strict=True)]
    if metric == "mse":
        return math.fsum(gap**2 for gap in gaps) / len(gaps)
    if metric == "l1":
        return math.fsum(abs(gap) for gap in gaps) / len(gaps)
    if metric == "l2":
        return math.hypot(*gaps)
    if metric == "cosine":
        dot = math.fsum(t * s for t, s in zip(teacher, student, strict=True))
        return 1.0 - dot / (math.hypot(*teacher) * math.hypot(*student))
    cosine = hint_of_position(teacher, student, "cosine")
    return hint_of_position(teacher, student, "mse") + angle_weight * cosine


def hint(teacher, student, metric="mse", angle_weight=1.0, mask=None):
    return per_example(
        lambda t, s: hint_of_position(t, s, metric, angle_weight),
        teacher,
        student,
        mask,
    )


def family():
    cases = Cases(seed=2)
    kinds = {
        "vectors": cases.pair(4, 6),
        "rectangular maps, batch of 2": cases.pair(2, 3, 2, 4),
        "one channel": cases.pair(3, 2, 3, 1),
        "sequences": cases.pair(2, 3, 4),
        "padded sequences": {**cases.pair(3, 4, 3), "mask": padded(4, 1, 0)},
    }
    for name in ("hint", "Hint"):
        cases.add(name, "defaults", hint, kinds["vectors"])
        for metric, (case, inputs) in itertools.product(METRICS, kinds.items()):
            weight = {"angle_weight": 0.25} if metric == "angle" else {}
            case = f"{case}, {metric}"
            cases.add(name, case, hint, inputs, metric=metric, **weight)
    return cases.entries
