"""Decoupled distillation and weighted soft labels, class by class."""

from __future__ import annotations

import math

import numpy as np
from cases import Cases, each_row, padded
from families.logit import kl_of_row, softmax, standardized_row


def over_positions(of_position, teacher, student, labels, mask):
    """Each example's mean over its positions, with the label of each."""
    values = []
    for example in range(len(teacher)):
        kept = [
            of_position(
                teacher[(example, *at)], student[(example, *at)], labels[(example, *at)]
            )
            for at in np.ndindex(teacher.shape[1:-1])
            if mask is None or mask[(example, *at)]
        ]
        values.append(math.fsum(kept) / len(kept) if kept else 0.0)
    return np.array(values)


def decoupled_row(teacher, student, label, alpha, beta, temperature):
    """α TCKD + β NCKD of one row, the target's own probabilities summed up."""
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    pairs = [
        (x[label], math.fsum(value for c, value in enumerate(x) if c != label))
        for x in (p, q)
    ]
    tckd = math.fsum(a * math.log(a / b) for a, b in zip(*pairs, strict=True) if a)
    others = [
        [z for c, z in enumerate(logits) if c != label] for logits in (teacher, student)
    ]
    return temperature**2 * alpha * tckd + beta * kl_of_row(*others, temperature)


def decoupled(
    teacher,
    student,
    labels,
    alpha=1.0,
    beta=8.0,
    temperature=4.0,
    mask=None,
    standardize=False,
):
    if standardize:
        teacher, student = (each_row(standardized_row, x) for x in (teacher, student))
    if labels.ndim == teacher.ndim:
        labels = np.argmax(labels, axis=-1)

    def of_position(t, s, y):
        return decoupled_row(t, s, y, alpha, beta, temperature)

    return over_positions(of_position, teacher, student, labels, mask)


def log_partition(logits):
    top = max(logits)
    return top + math.log(math.fsum(math.exp(z - top) for z in logits))


def weighted_row(teacher, student, label, temperature):
    """The soft cross-entropy of one row, by the two cross-entropies of its label."""
    of_teacher = log_partition(teacher) - teacher[label]
    of_student = log_partition(student) - student[label]
    weight = 1.0 - math.exp(-of_student / (of_teacher + 1e-7))
    cooler = [z / temperature for z in student]
    soft = math.fsum(
        p * (log_partition(cooler) - z)
        for p, z in zip(softmax(teacher, temperature), cooler, strict=True)
    )
    return weight * temperature**2 * soft


def weighted(teacher, student, labels, temperature=2.0, mask=None):
    if labels.ndim == teacher.ndim:
        labels = np.argmax(labels, axis=-1)

    def of_position(t, s, y):
        return weighted_row(t, s, y, temperature)

    return over_positions(of_position, teacher, student, labels, mask)


def family():
    cases = Cases(seed=21)

    def labelled(*shape, scale=2.0, **more):
        pair = cases.pair(*shape, scale=scale)
        labels = cases.rng.integers(0, shape[-1], shape[:-1])
        return {**pair, "labels": labels, **more}

    one_hot = labelled(4, 5)
    one_hot["labels"] = np.eye(5)[one_hot["labels"]]
    kinds = {
        "vectors": labelled(5, 7),
        "two classes, batch of 2": labelled(2, 2),
        "one-hot labels": one_hot,
        "sequences": labelled(2, 3, 4),
        "padded sequences": labelled(3, 4, 5, mask=padded(4, 2, 0)),
        "confident": labelled(4, 3, scale=8.0),
    }
    for case, inputs in kinds.items():
        for name in ("decoupled_kd", "DecoupledKD"):
            cases.add(name, case, decoupled, inputs)
            given = {"alpha": 0.5, "beta": 2.0, "temperature": 1.5}
            cases.add(name, f"{case}, other weights", decoupled, inputs, **given)
        for name in ("weighted_soft_label", "WeightedSoftLabel"):
            cases.add(name, case, weighted, inputs)
            cases.add(name, f"{case}, hot", weighted, inputs, temperature=5.0)
    for case in ("vectors", "padded sequences"):
        given = {"temperature": 2.0, "standardize": True}
        cases.add(
            "DecoupledKD", f"{case}, standardized", decoupled, kinds[case], **given
        )
    return cases.entries
