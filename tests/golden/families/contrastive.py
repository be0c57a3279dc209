"""Contrast: among the batch, and against a memory's scores."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases


def info_nce(teacher, student, temperature=0.1):
    """Each student's share of its own teacher, as −log of a quotient of sums."""
    values = []
    for at, s in enumerate(student):
        powers = []
        for t in teacher:
            dot = math.fsum(a * b for a, b in zip(s, t, strict=True))
            cosine = dot / (math.hypot(*s) * math.hypot(*t))
            powers.append(math.exp(cosine / temperature))
        values.append(-math.log(powers[at] / math.fsum(powers)))
    return np.array(values)


def contrast_of_row(scores, samples):
    """The paper's h, with probabilities in place of their logarithms."""
    right, *wrong = [math.exp(score) for score in scores]
    wrong = [p for p in wrong if p > 0.0]
    noise = len(wrong) / samples
    value = math.log(right / (right + noise + 1e-7))
    return -value - math.fsum(math.log(noise / (p + noise + 1e-7)) for p in wrong)


def contrastive_representation(teacher, student, samples):
    return np.array(
        [
            contrast_of_row(t, samples) + contrast_of_row(s, samples)
            for t, s in zip(teacher, student, strict=True)
        ]
    )


def family():
    cases = Cases(seed=42)
    pair = cases.pair
    for name in ("info_nce", "InfoNCE"):
        cases.add(name, "defaults", info_nce, pair(4, 6))
        for temperature in (0.07, 1.0):
            case = f"temperature {temperature}"
            cases.add(name, case, info_nce, pair(5, 3), temperature=temperature)
        cases.add(name, "batch of 2", info_nce, pair(2, 4), temperature=0.2)
        cases.add(name, "batch of 1", info_nce, pair(1, 4))
    for name in ("contrastive_representation", "ContrastiveRepresentation"):
        for case, shape, samples, scale in (
            ("a few of many", (4, 9), 1000, 2.0),
            ("all the others", (3, 8), 8, 1.0),
            ("one negative, batch of 2", (2, 2), 50, 1.0),
        ):
            inputs = pair(*shape, scale=scale)
            compute = contrastive_representation
            cases.add(name, case, compute, inputs, samples=samples)
    return cases.entries
