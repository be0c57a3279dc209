"""What `methods.semckd` has learned: which layer teaches which."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from keras_kd.distiller import Distiller
from keras_kd.layers import SemanticCalibration
from keras_kd.taps import FeatureExtractor, select
from keras_kd.terms import DistillationTerm
from keras_kd.types import Tap
from keras_kd.validation import positive_int


@dataclasses.dataclass(frozen=True)
class LayerMatching:
    """How much each teacher layer teaches each student layer.

    Args:
        student: the student's taps, one for each row.
        teacher: the teacher's, one for each column.
        weights: array `(students, teachers)`, the mean over examples; rows sum to one.
        deviations: the standard deviation of each over the examples.
    """

    student: tuple[Tap, ...]
    teacher: tuple[Tap, ...]
    weights: np.ndarray
    deviations: np.ndarray

    @property
    def strongest(self) -> dict[Tap, Tap]:
        """The teacher layer with the largest weight, for each student layer."""
        found = self.weights.argmax(-1)
        pairs = zip(self.student, found, strict=True)
        return {tap: self.teacher[at] for tap, at in pairs}

    def __str__(self) -> str:
        wide = max(len(tap) for tap in ("student", *self.student))
        columns = [max(len(tap), 5) for tap in self.teacher]
        heads = zip(self.teacher, columns, strict=True)
        lines = [f"{'student':<{wide}}  " + "  ".join(f"{t:>{n}}" for t, n in heads)]
        for tap, row in zip(self.student, self.weights, strict=True):
            cells = zip(row, columns, strict=True)
            words = "  ".join(f"{weight:>{n}.0%}" for weight, n in cells)
            lines.append(f"{tap:<{wide}}  {words}")
        return "\n".join(lines)


def layer_matching(distiller: Distiller, x: Any, batch_size: int = 64) -> LayerMatching:
    """The layer matching that a Distiller with `methods.semckd` has learned.

    Args:
        distiller: with a teacher, and one term whose memory is a
            `layers.SemanticCalibration`.
        x: array of examples, as the student takes them.
        batch_size: int; with a calibration that compares examples within the batch,
            the one it was made for. Defaults to 64.

    Returns:
        `LayerMatching`, averaged over the examples; `print` shows it as a table.

    Raises:
        ValueError: where no such term is there, or no teacher.

    Example:

    ```python
    blocks = ["backbone/block_1", "backbone/block_2"]
    terms = keras_kd.methods.semckd(blocks, ["c", "gap"])
    distiller = keras_kd.Distiller(teacher, student, terms)
    print(layer_matching(distiller, images))
    ```
    """
    positive_int("batch_size", batch_size)
    term = _calibrated(distiller)
    if distiller.teacher is None:
        raise ValueError(
            "The Distiller has no teacher to match layers with: set "
            "`distiller.teacher = teacher`."
        )
    extractor = FeatureExtractor(distiller.student, list(term.student))
    found = []
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        student = extractor(batch, training=False)
        teacher = distiller.teacher(batch, list(term.teacher), student)
        sides = select(teacher, term.teacher), select(student, term.student)
        found.append(ops.convert_to_numpy(term.memory.matching(*sides)))
    weights = np.concatenate(found)
    return LayerMatching(
        tuple(term.student), tuple(term.teacher), weights.mean(0), weights.std(0)
    )


def _calibrated(distiller: Distiller) -> DistillationTerm:
    for term in distiller.terms:
        if isinstance(term.memory, SemanticCalibration):
            return term
    raise ValueError(
        "The Distiller must have a term of methods.semckd. Received the terms "
        f"{[term.name for term in distiller.terms]}."
    )
