"""Features compared value by value: boundaries, margins, scales, channels."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
from cases import Cases
from families.feature_maps import channels_of, pooled


def elements(teacher, student):
    """The pairs of numbers of one example, and the channel of each."""
    for at in np.ndindex(teacher.shape):
        yield float(teacher[at]), float(student[at]), at[-1]


def activation_boundary(teacher, student, margin=1.0):
    """As the authors state it: two squares, each on its own side."""
    values = []
    for example in zip(teacher, student, strict=True):
        terms = []
        for t, s, _ in elements(*example):
            if s > -margin and t <= 0:
                terms.append((s + margin) ** 2)
            if s <= margin and t > 0:
                terms.append((s - margin) ** 2)
        values.append(math.fsum(terms))
    return np.array(values)


def overhaul(teacher, student, margin):
    """As three cases for margins below 0, with no maximum in them."""
    values = []
    for example in zip(teacher, student, strict=True):
        terms = []
        for t, s, channel in elements(*example):
            m = margin[channel] if isinstance(margin, list) else margin
            if t > 0 or (m < t <= 0 and s > t):
                terms.append((s - t) ** 2)
            elif t <= m and s > m:
                terms.append((s - m) ** 2)
        values.append(math.fsum(terms))
    return np.array(values)


def mean_below_zero(gamma, beta, steps=20_000):
    """E[x | x < 0] of a normal x by Simpson's rule."""
    scale = abs(gamma)
    start = min(beta, 0.0) - 14.0 * scale
    width = -start / steps

    def integral(of):
        terms = []
        for i in range(steps + 1):
            x = start + i * width
            factor = 1 if i in (0, steps) else 4 if i % 2 else 2
            density = math.exp(-(((x - beta) / scale) ** 2) / 2)
            terms.append(factor * of(x) * density)
        return math.fsum(terms) * width / 3

    mass = integral(lambda x: 1.0)
    if mass / (scale * math.sqrt(2 * math.pi)) <= 0.001:
        return -3 * scale
    return integral(lambda x: x) / mass


def overhaul_margin(gamma, beta):
    pairs = zip(gamma.tolist(), beta.tolist(), strict=True)
    return np.array([mean_below_zero(*pair) for pair in pairs])


def mean_square(t, s):
    gaps = (t - s).ravel().tolist()
    return math.fsum(gap**2 for gap in gaps) / len(gaps)


def hierarchical_context(teacher, student):
    """Of one pair, or the sum over a list of them."""
    if isinstance(teacher, list):
        pairs = zip(teacher, student, strict=True)
        return sum(hierarchical_context(t, s) for t, s in pairs)
    values = []
    for t, s in zip(teacher, student, strict=True):
        parts, weights = [mean_square(t, s)], [1.0]
        for level in (4, 2, 1):
            if t.ndim == 3 and level < t.shape[0]:
                parts.append(
                    mean_square(pooled(t, level, level), pooled(s, level, level))
                )
                weights.append(weights[-1] / 2)
        weighted = sum(w * part for w, part in zip(weights, parts, strict=True))
        values.append(weighted / sum(weights))
    return np.array(values)


def channel_wise(teacher, student, temperature=4.0):
    """KL as the gap of two log-partition functions, channel by channel."""

    def log_partition(logits):
        top = max(logits)
        return top + math.log(math.fsum(math.exp(z - top) for z in logits))

    values = []
    for t, s in zip(teacher, student, strict=True):
        divergences = []
        for a, b in zip(channels_of(t), channels_of(s), strict=True):
            a, b = ([z / temperature for z in logits] for logits in (a, b))
            of_a, of_b = log_partition(a), log_partition(b)
            gap = [math.exp(x - of_a) * (x - y) for x, y in zip(a, b, strict=True)]
            divergences.append(math.fsum(gap) - of_a + of_b)
        values.append(temperature**2 * math.fsum(divergences) / len(divergences))
    return np.array(values)


def pearson_feature(teacher, student):
    def standardized(x):
        result = np.zeros_like(x)
        for channel in range(x.shape[-1]):
            values = x[..., channel].ravel().tolist()
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            result[..., channel] = (x[..., channel] - mean) / (deviation + 1e-6)
        return result

    pairs = zip(standardized(teacher), standardized(student), strict=True)
    return np.array([mean_square(t, s) / 2 for t, s in pairs])


def family():
    cases = Cases(seed=21)
    maps = {
        "rectangular maps, batch of 2": cases.pair(2, 3, 2, 4),
        "one channel": cases.pair(3, 2, 3, 1),
        "sequences": cases.pair(2, 5, 3),
    }
    vectors = {"vectors": cases.pair(4, 6)}

    def add(names, compute, kinds, *variants):
        for name, (case, inputs) in itertools.product(names, kinds.items()):
            for arguments in variants or [{}]:
                label = f"{case}, {arguments}" if arguments else case
                cases.add(name, label, compute, inputs, **arguments)

    add(
        ("activation_boundary", "ActivationBoundary"),
        activation_boundary,
        maps | vectors,
        {},
        {"margin": 0.25},
    )
    names = ("overhaul", "FeatureOverhaul")
    add(names, overhaul, maps | vectors, {"margin": -0.4})
    of_four = {"rectangular maps, batch of 2": maps["rectangular maps, batch of 2"]}
    add(names, overhaul, of_four, {"margin": [-0.1, -2.0, -0.75, -0.3]})
    normal = {
        "gamma": np.array([1.0, -0.5, 0.25, 2.0, 0.1, 0.3, 0.3]),
        # Below zero 50, 98, 16, 2, 0.07, 0.13 and 0.09 percent of the time.
        "beta": np.array([0.0, -1.0, 0.25, 4.0, 0.32, 0.9, 0.94]),
    }
    cases.add("overhaul_margin", "channels", overhaul_margin, normal)
    levels = {
        "height 8, all levels": cases.pair(2, 8, 3, 1),
        "height 5": cases.pair(2, 5, 6, 2),
        "height 4": cases.pair(2, 4, 4, 2),
        "height 3": cases.pair(2, 3, 2, 2),
        "one position": cases.pair(3, 1, 1, 4),
        **vectors,
    }
    names = ("hierarchical_context", "HierarchicalContext")
    add(names, hierarchical_context, levels)
    pairs = [levels["height 5"], levels["height 3"]]
    several = {side: [pair[side] for pair in pairs] for side in ("teacher", "student")}
    cases.add(names[1], "two pairs", hierarchical_context, several)
    add(
        ("channel_wise", "ChannelWise"),
        channel_wise,
        maps | {"confident": cases.pair(2, 2, 3, 2, scale=40.0)},
        {},
        {"temperature": 1.0},
    )
    add(("pearson_feature", "PearsonFeature"), pearson_feature, maps | vectors)
    return cases.entries
