"""Data-free priors. A class that looks at one side alone gets it as both."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases


def softmax(logits):
    top = max(logits)
    powers = [math.exp(z - top) for z in logits]
    return [power / math.fsum(powers) for power in powers]


def statistics(teacher, student):
    """A layer's two distances, the same for every example; layers add up."""
    if isinstance(student, list):
        layers = zip(teacher, student, strict=True)
        return sum(statistics(t, s) for t, s in layers)
    columns = student.reshape(-1, student.shape[-1]).T.tolist()
    means = [math.fsum(column) / len(column) for column in columns]
    variances = [
        math.fsum((x - mean) ** 2 for x in column) / len(column)
        for column, mean in zip(columns, means, strict=True)
    ]
    total = math.dist(means, teacher[0]) + math.dist(variances, teacher[1])
    return np.full(len(student), total)


def confidence(logits):
    rows = logits.reshape(len(logits), -1, logits.shape[-1])
    return np.array(
        [
            math.fsum(-math.log(max(softmax(row))) for row in example) / len(example)
            for example in rows
        ]
    )


def balance(logits):
    """−entropy of the mean row, divided over the examples by their own rows."""
    rows = [softmax(row) for row in logits]
    mean = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    return np.array(
        [
            math.fsum(p * math.log(m) for p, m in zip(row, mean, strict=True))
            for row in rows
        ]
    )


def activation(features):
    return np.array([-math.fsum(abs(x) for x in f.ravel()) / f.size for f in features])


def variation(images, mode="anisotropic"):
    """Pixel by pixel, against the neighbours that lie one step further on."""
    steps = [(1, 0), (0, 1)]
    if mode == "deep_inversion":
        steps += [(1, 1), (1, -1)]
    gaps = {step: [[] for _ in images] for step in steps}
    for step in steps:
        for n, h, w, c in np.ndindex(*images.shape):
            to = h + step[0], w + step[1]
            if 0 <= to[0] < images.shape[1] and 0 <= to[1] < images.shape[2]:
                gaps[step][n].append(images[n, to[0], to[1], c] - images[n, h, w, c])
    if mode == "deep_inversion":
        norms = [math.hypot(*sum(gaps[step], [])) for step in steps]
        return np.full(len(images), math.fsum(norms))
    return np.array(
        [
            math.fsum(abs(gap) for step in steps for gap in gaps[step][n])
            for n in range(len(images))
        ]
    )


def adversarial(teacher, student, metric="js"):
    values = []
    classes = teacher.shape[-1]
    for example in zip(teacher, student, strict=True):
        distances = []
        for t, s in zip(*(x.reshape(-1, classes) for x in example), strict=True):
            if metric == "l1":
                gaps = [abs(a - b) for a, b in zip(t, s, strict=True)]
                distances.append(math.fsum(gaps) / classes)
                continue
            # JS = entropy of the mixture − mean of the entropies.
            p, q = softmax(t), softmax(s)
            m = [(a + b) / 2.0 for a, b in zip(p, q, strict=True)]
            own = (entropy(p) + entropy(q)) / 2.0
            distances.append(entropy(m) - own)
        values.append(-math.fsum(distances) / len(distances))
    return np.array(values)


def entropy(p):
    return -math.fsum(x * math.log(x) for x in p)


def alone(cases, function, name, case, compute, x, **arguments):
    """A function of one tensor, and its class, which ignores what comes first."""
    parameter = "images" if function == "total_variation" else "logits"
    parameter = "features" if function == "activation_norm" else parameter
    cases.add(function, case, compute, {parameter: x}, **arguments)
    twice = {"teacher": x, "student": x}

    def of_student(teacher, student, **arguments):
        return compute(student, **arguments)

    cases.add(name, case, of_student, twice, **arguments)


def family():
    cases = Cases(seed=33)

    def draw(*shape):
        return cases.rng.normal(size=shape).round(3)

    def running(channels):
        return [draw(channels), np.abs(draw(channels))]

    layers = {
        "vectors": {"teacher": running(3), "student": draw(4, 3)},
        "rectangular maps": {"teacher": running(2), "student": draw(2, 3, 2, 2)},
        "one channel": {"teacher": running(1), "student": draw(2, 2, 1, 1)},
        "two layers": {
            "teacher": [running(2), running(3)],
            "student": [draw(2, 2, 1, 2), draw(2, 3)],
        },
    }
    for case, inputs in layers.items():
        for name in ("batch_norm_statistics", "BatchNormStatistics"):
            cases.add(name, case, statistics, inputs)

    logits = {"vectors": 3.0 * draw(4, 5), "two classes": draw(2, 2)}
    logits = {case: x.round(3) for case, x in logits.items()}
    for case, x in logits.items():
        for function, name, compute in (
            ("class_confidence", "ClassConfidence", confidence),
            ("class_balance", "ClassBalance", balance),
        ):
            alone(cases, function, name, case, compute, x)
        shift = {"teacher": x, "student": np.roll(x, 1, axis=0)}
        for name in ("adversarial", "Adversarial"):
            cases.add(name, case, adversarial, shift)
            cases.add(name, f"{case}, l1", adversarial, shift, metric="l1")
    positions = draw(2, 3, 4)
    case = "sequences"
    alone(cases, "class_confidence", "ClassConfidence", case, confidence, positions)
    for name in ("adversarial", "Adversarial"):
        cases.add(name, case, adversarial, cases.pair(2, 3, 4))

    for case, x in {
        "rectangular maps": draw(2, 3, 2, 4),
        "one channel": draw(3, 2, 3, 1),
    }.items():
        alone(cases, "activation_norm", "ActivationNorm", case, activation, x)
        for mode in ("anisotropic", "deep_inversion"):
            which = "total_variation", "TotalVariation"
            alone(cases, *which, f"{case}, {mode}", variation, x, mode=mode)
    alone(cases, "activation_norm", "ActivationNorm", "vectors", activation, draw(2, 5))
    return cases.entries
