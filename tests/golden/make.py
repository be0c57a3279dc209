"""The golden values: every public loss once more, by another road.

    python tests/golden/make.py [--out FOLDER]

Plain loops over NumPy float64 numbers, written from the papers' formulas; nothing
of `keras_kd` is imported. Each family becomes one JSON file, `{name: [entry, ...]}`,
where an entry holds a case's inputs, arguments, the value per example and the
scalar that the paper publishes. pytest only reads these files.

A new loss: a function here that computes one example or one batch, and its cases in
`families`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path

import numpy as np

METRICS = ("mse", "l1", "l2", "cosine", "angle")


# ------------------------------------------------------------------ the formulas


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


def per_example(of_position, teacher, student, mask=None):
    """Each example's mean over its positions, those that the mask keeps."""
    values = []
    for example in range(len(teacher)):
        kept = [
            of_position(teacher[(example, *at)], student[(example, *at)])
            for at in np.ndindex(teacher.shape[1:-1])
            if mask is None or mask[(example, *at)]
        ]
        values.append(math.fsum(kept) / len(kept) if kept else 0.0)
    return np.array(values)


def each_row(of_row, x):
    """`of_row` over the last axis."""
    rows = [of_row(row) for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def kl(teacher, student, temperature=4.0, mask=None, standardize=False):
    if standardize:
        teacher, student = (each_row(standardized_row, x) for x in (teacher, student))
    return per_example(
        lambda t, s: kl_of_row(t, s, temperature), teacher, student, mask
    )


def hint(teacher, student, metric="mse", angle_weight=1.0, mask=None):
    return per_example(
        lambda t, s: hint_of_position(t, s, metric, angle_weight),
        teacher,
        student,
        mask,
    )


def mean_over_example(of_gap):
    """A built-in Keras loss on maps: the mean over all the elements of an example."""

    def values(teacher, student):
        gaps = (teacher - student).reshape(len(teacher), -1)
        return np.array([math.fsum(map(of_gap, row)) / len(row) for row in gaps])

    return values


# ------------------------------------------------------------------ the cases


class Cases:
    """Collects the entries of one family; every input has three decimals."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.entries = {}

    def pair(self, *shape, scale=1.0):
        """A teacher's and a student's tensor."""
        teacher, student = self.rng.normal(0.0, scale, (2, *shape)).round(3)
        return {"teacher": teacher, "student": student}

    def add(self, name, case, compute, inputs, stored=None, **arguments):
        """One entry; `stored` are the arguments to write where they differ."""
        values = compute(**inputs, **arguments)
        entry = {
            "case": case,
            "inputs": {key: encoded(value) for key, value in inputs.items()},
            "arguments": arguments if stored is None else stored,
            "values": encoded(values),
        }
        if values.ndim == 1:
            entry["scalar"] = digits(math.fsum(values) / len(values))
        self.entries.setdefault(name, []).append(entry)


def padded(*lengths):
    """A mask that keeps the first positions of each sequence."""
    return np.array([[at < length for at in range(max(lengths))] for length in lengths])


def logit_family():
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


def feature_family():
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


def keras_family():
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


FAMILIES = {"logit": logit_family, "feature": feature_family, "keras": keras_family}


# ------------------------------------------------------------------ the files


def digits(value):
    """Twelve digits: more than any test needs, fewer than two machines differ in."""
    return float(f"{value:.12g}") + 0.0


def encoded(x):
    """An array as its shape and its numbers, row by row; a list as a list of them."""
    if isinstance(x, (list, tuple)):
        return [encoded(part) for part in x]
    flat = x.ravel().tolist()
    if x.dtype.kind == "f":
        flat = [digits(value) for value in flat]
    return {"shape": list(x.shape), "data": flat}


def text(entries):
    """JSON with one entry a line."""
    blocks = []
    for name, cases in sorted(entries.items()):
        lines = ",\n".join("  " + json.dumps(case, allow_nan=False) for case in cases)
        blocks.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    for family, entries in FAMILIES.items():
        path = out / f"{family}.json"
        path.write_text(text(entries()), encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
