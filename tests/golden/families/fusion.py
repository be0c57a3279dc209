"""Losses over what a layer guessed or regenerated from the student's feature."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases


def variational(teacher, mean, scale):
    """−log N(t; μ, v), without log √2π, of each element; then their mean."""
    values = []
    for example, expected in enumerate(mean):
        nats = []
        for at in np.ndindex(expected.shape):
            own = scale[example] if scale.ndim == 2 else scale
            variance = math.log1p(math.exp(own[at[-1]])) + 1e-5
            gap = float(teacher[(example, *at)] - expected[at])
            nats.append(gap * gap / (2 * variance) + math.log(math.sqrt(variance)))
        values.append(math.fsum(nats) / len(nats))
    return np.array(values)


def of_pair(teacher, student):
    return variational(teacher, *student)


def masked_generative(teacher, student, alpha=2e-5):
    rows = zip(teacher.reshape(len(teacher), -1), student, strict=True)
    return np.array(
        [
            alpha * math.fsum((t - s) ** 2 for t, s in zip(row, x.ravel(), strict=True))
            for row, x in rows
        ]
    )


def family():
    cases = Cases(seed=41)
    kinds = {
        "vectors": (4, 5),
        "rectangular maps, batch of 2": (2, 3, 2, 4),
        "one channel": (3, 2, 3, 1),
        "sequences": (2, 3, 4),
    }
    for case, shape in kinds.items():
        pair = cases.pair(*shape)
        teacher, mean = pair["teacher"], pair["student"]
        scale = cases.rng.normal(1.0, 3.0, shape[-1]).round(3)
        inputs = {"teacher": teacher, "mean": mean, "scale": scale}
        cases.add("variational", case, variational, inputs)
        each = cases.rng.normal(0.0, 2.0, (shape[0], shape[-1])).round(3)
        cases.add(
            "variational",
            f"{case}, a scale per example",
            variational,
            {**inputs, "scale": each},
        )
        inputs = {"teacher": teacher, "student": [mean, each]}
        cases.add("VariationalInformation", case, of_pair, inputs)
        for name in ("masked_generative", "MaskedGenerative"):
            cases.add(name, case, masked_generative, pair)
            cases.add(name, f"{case}, alpha 7e-5", masked_generative, pair, alpha=7e-5)
    return cases.entries
