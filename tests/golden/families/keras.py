"""Losses of Keras's own, wrapped."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases


def mean_over_example(of_gap):
    """A built-in Keras loss on maps: the mean over all the elements of an example."""

    def values(teacher, student):
        gaps = (teacher - student).reshape(len(teacher), -1)
        return np.array([math.fsum(map(of_gap, row)) / len(row) for row in gaps])

    return values


def family():
    cases = Cases(seed=3)
    for loss, of_gap in {
        "mean_squared_error": lambda gap: gap**2,
        "mean_absolute_error": abs,
    }.items():
        for case, shape in {"vectors": (4, 5), "maps": (2, 3, 3, 2)}.items():
            compute, stored = mean_over_example(of_gap), {"loss": loss}
            cases.add(
                "KerasLoss", f"{loss} of {case}", compute, cases.pair(*shape), stored
            )
    return cases.entries
