"""Losses between networks whose layers do not correspond."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases


def cross_layer(teacher, student, weights):
    """Each pair's mean squared difference by its weight; the mean over students."""
    values = []
    for example, rows in enumerate(weights):
        parts = []
        for i, row in enumerate(rows):
            for j, weight in enumerate(row):
                at = i * len(row) + j
                gaps = (teacher[at][example] - student[at][example]).ravel().tolist()
                parts.append(weight * math.fsum(g * g for g in gaps) / len(gaps))
        values.append(math.fsum(parts) / len(rows))
    return np.array(values)


def of_pair(teacher, student):
    return cross_layer(teacher, student[:-1], student[-1])


def family():
    cases = Cases(seed=67)
    kinds = {
        "one student layer, two of the teacher": (3, 1, 2, [(2, 3, 2), (4,)]),
        "two by two": (2, 2, 2, [(2, 2, 3), (3,), (1, 1, 2), (5,)]),
        "two student layers, one of the teacher": (4, 2, 1, [(3,), (2, 3)]),
    }
    for case, (batch, students, teachers, shapes) in kinds.items():
        sides = [
            [cases.rng.normal(size=(batch, *shape)).round(3) for shape in shapes]
            for _ in range(2)
        ]
        weights = cases.rng.dirichlet(np.ones(teachers), (batch, students)).round(3)
        inputs = {"teacher": sides[0], "student": sides[1], "weights": weights}
        cases.add("cross_layer", case, cross_layer, inputs)
        inputs = {"teacher": sides[0], "student": [*sides[1], weights]}
        cases.add("CrossLayer", case, of_pair, inputs)
    return cases.entries
