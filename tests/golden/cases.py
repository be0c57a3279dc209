"""What every family of golden values is collected in, and written as."""

from __future__ import annotations

import math

import numpy as np


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


def digits(value):
    """Twelve digits: more than any test needs, fewer than two machines differ in."""
    return float(f"{value:.12g}") + 0.0


def encoded(x):
    """An array as its shape and its numbers, row by row; a structure part by part."""
    if isinstance(x, dict):
        return {key: encoded(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return [encoded(part) for part in x]
    x = np.asarray(x)
    flat = x.ravel().tolist()
    if x.dtype.kind == "f":
        flat = [digits(value) for value in flat]
    return {"shape": list(x.shape), "data": flat}
