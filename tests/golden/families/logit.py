"""Temperature KL and standardized logits."""

from __future__ import annotations

import math

from cases import Cases, each_row, padded, per_example


def softmax(logits, temperature):
    """Probabilities of one row."""
    top = max(logits)
    powers = [math.exp((z - top) / temperature) for z in logits]
    return [power / math.fsum(powers) for power in powers]


def kl_of_row(teacher, student, temperature):
    """T² KL(p‖q) of one row as the gap of two log-partition functions.

    `KL = Σ p (z_t − z_s) / T − log Z_t + log Z_s`, where no logarithm of a
    probability appears.
    """

    def log_partition(logits):
        top = max(logits)
        return top / temperature + math.log(
            math.fsum(math.exp((z - top) / temperature) for z in logits)
        )

    p = softmax(teacher, temperature)
    gap = math.fsum(
        pc * (t - s) / temperature for pc, t, s in zip(p, teacher, student, strict=True)
    )
    kl = gap - log_partition(teacher) + log_partition(student)
    return temperature**2 * kl


def standardized_row(logits):
    """One row at mean 0 and sample deviation 1."""
    mean = math.fsum(logits) / len(logits)
    variance = math.fsum((z - mean) ** 2 for z in logits) / (len(logits) - 1)
    return [(z - mean) / (1e-7 + math.sqrt(variance)) for z in logits]


def kl(teacher, student, temperature=4.0, mask=None, standardize=False):
    if standardize:
        teacher, student = (each_row(standardized_row, x) for x in (teacher, student))
    return per_example(
        lambda t, s: kl_of_row(t, s, temperature), teacher, student, mask
    )


def family():
    cases = Cases(seed=1)
    pair = cases.pair
    sequences = {**pair(3, 4, 5, scale=2.0), "mask": padded(4, 2, 0)}
    for temperature in (0.5, 1.0, 4.0, 20.0):
        vectors = pair(5, 7, scale=3.0)
        case = f"vectors, temperature {temperature}"
        cases.add("kl_divergence", case, kl, vectors, temperature=temperature)
        cases.add("KLDistillation", case, kl, vectors, temperature=temperature)
    for name in ("kl_divergence", "KLDistillation"):
        cases.add(name, "defaults", kl, pair(3, 6, scale=2.0))
        cases.add(name, "two classes, batch of 2", kl, pair(2, 2), temperature=2.0)
        cases.add(name, "sequences", kl, pair(2, 3, 4), temperature=2.0)
        cases.add(name, "padded sequences", kl, sequences, temperature=3.0)
        wide = pair(4, 3, scale=40.0)
        cases.add(name, "confident", kl, wide, temperature=1.0)
    for case, inputs in {
        "standardized vectors": pair(4, 6, scale=5.0),
        "standardized, padded sequences": sequences,
    }.items():
        arguments = {"temperature": 2.0, "standardize": True}
        cases.add("KLDistillation", case, kl, inputs, **arguments)
    for case, shape in {
        "vectors": (4, 6),
        "two classes": (3, 2),
        "sequences": (2, 3, 5),
    }.items():
        logits = {"logits": pair(*shape, scale=4.0)["student"]}
        compute = lambda logits: each_row(standardized_row, logits)  # noqa: E731
        cases.add("standardize_logits", case, compute, logits)
    return cases.entries
