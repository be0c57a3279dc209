"""Distances, angles, similarities, correlations and neighbourhoods of a batch."""

from __future__ import annotations

import itertools
import math

import numpy as np
from cases import Cases


def vectors(x):
    """Each example as a list of numbers."""
    return [example.ravel().tolist() for example in x]


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def unit(a, epsilon=0.0):
    norm = math.hypot(*a)
    return [p / (norm + epsilon) if norm else 0.0 for p in a]


def huber(gap):
    return 0.5 * gap**2 if abs(gap) < 1.0 else abs(gap) - 0.5


def row_means(of_pair, count):
    """Each example's mean over the batch."""
    rows = ([of_pair(i, j) for j in range(count)] for i in range(count))
    return np.array([math.fsum(row) / count for row in rows])


def relative_distances(x):
    """Distances over the mean of the positive ones; two equal rows are 1e-6 apart."""
    points = vectors(x)
    pairs = [
        [max(math.dist(a, b), 1e-6) if i != j else 0.0 for j, b in enumerate(points)]
        for i, a in enumerate(points)
    ]
    some = [distance for row in pairs for distance in row if distance > 0.0]
    mean = math.fsum(some) / len(some) if some else 1.0
    return [[distance / mean for distance in row] for row in pairs]


def rkd_distance(teacher, student):
    t, s = relative_distances(teacher), relative_distances(student)
    return row_means(lambda i, j: huber(t[i][j] - s[i][j]), len(t))


def cosine_at(points, i, j, k):
    """Of the angle at i between j and k."""
    arms = ([p - q for p, q in zip(points[n], points[i], strict=True)] for n in (j, k))
    return dot(*(unit(arm) for arm in arms))


def rkd_angle(teacher, student):
    t, s = vectors(teacher), vectors(student)
    count = len(t)
    values = []
    for i in range(count):
        gaps = [
            cosine_at(t, i, j, k) - cosine_at(s, i, j, k)
            for j, k in itertools.product(range(count), repeat=2)
        ]
        values.append(math.fsum(huber(gap) for gap in gaps) / count**2)
    return np.array(values)


def relational(teacher, student, distance=25.0, angle=50.0):
    return distance * rkd_distance(teacher, student) + angle * rkd_angle(
        teacher, student
    )


def similarity(teacher, student):
    def rows(x):
        points = vectors(x)
        return [unit([dot(a, b) for b in points]) for a in points]

    t, s = rows(teacher), rows(student)
    return row_means(lambda i, j: (t[i][j] - s[i][j]) ** 2, len(t))


def congruence(teacher, student, kernel="gaussian", gamma=0.4, order=2):
    def value(x, i, j):
        product = dot(unit(x[i]), unit(x[j]))
        if kernel == "bilinear":
            return product
        return math.exp(-2.0 * gamma) * math.fsum(
            (2.0 * gamma) ** p / math.factorial(p) * product**p
            for p in range(order + 1)
        )

    t, s = vectors(teacher), vectors(student)
    return row_means(lambda i, j: (value(t, i, j) - value(s, i, j)) ** 2, len(t))


def probabilistic(teacher, student, epsilon=1e-7):
    def neighbours(x):
        units = [unit(a, epsilon) for a in vectors(x)]
        rows = [[(dot(a, b) + 1.0) / 2.0 for b in units] for a in units]
        return [[p / math.fsum(row) for p in row] for row in rows]

    p, q = neighbours(teacher), neighbours(student)
    return row_means(
        lambda i, j: p[i][j] * math.log((p[i][j] + epsilon) / (q[i][j] + epsilon)),
        len(p),
    )


def both(cases, *shapes):
    """A teacher's and a student's tensor of their own shapes."""
    return {
        side: cases.rng.normal(size=shape).round(3)
        for side, shape in zip(("teacher", "student"), shapes, strict=True)
    }


def family():
    cases = Cases(seed=31)
    twins = both(cases, (4, 3), (4, 2))
    for x in twins.values():
        x[2] = x[0]
    kinds = {
        "vectors": both(cases, (5, 4), (5, 4)),
        "a narrower student": both(cases, (4, 6), (4, 3)),
        "rectangular maps": both(cases, (3, 3, 2, 4), (3, 2, 1, 3)),
        "one channel, batch of 2": both(cases, (2, 2, 3, 1), (2, 2, 3, 1)),
        "sequences and vectors": both(cases, (3, 4, 2), (3, 5)),
        "batch of 1": both(cases, (1, 4), (1, 3)),
        "two equal examples": twins,
    }
    plain = {
        rkd_distance: ["rkd_distance"],
        rkd_angle: ["rkd_angle"],
        relational: ["RelationalKD"],
        similarity: ["similarity_preserving", "SimilarityPreserving"],
        congruence: ["correlation_congruence", "CorrelationCongruence"],
        probabilistic: ["probabilistic_transfer", "ProbabilisticTransfer"],
    }
    for compute, names in plain.items():
        for name, (case, inputs) in itertools.product(names, kinds.items()):
            cases.add(name, case, compute, inputs)
    for arguments in ({"distance": 1.0, "angle": 0.0}, {"distance": 0.0, "angle": 2.0}):
        cases.add("RelationalKD", "one part", relational, kinds["vectors"], **arguments)
    for name in plain[congruence]:
        for case in ("vectors", "rectangular maps"):
            inputs = kinds[case]
            cases.add(name, f"{case}, bilinear", congruence, inputs, kernel="bilinear")
            arguments = {"gamma": 0.8, "order": 4}
            cases.add(name, f"{case}, order 4", congruence, inputs, **arguments)
    return cases.entries
