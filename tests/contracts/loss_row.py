"""What a row of the losses' contract says. The rows stand in `rows/`, by family."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_kd import losses

BATCH = 4


@dataclasses.dataclass(frozen=True)
class LossRow:
    """How to make a loss and its inputs, and what is known of its values.

    Args:
        loss: the class.
        arguments: what its constructor gets; over all the rows of a class, each
            argument has a value other than its default.
        shape: one example of the teacher and of the student, or a list of shapes
            for a loss over several features.
        student_shape: the student's, where it may differ.
        minimum: the value where student and teacher are equal and no student can
            do better, or None where there is no such value.
        labels: function `(generator) -> labels`, for a loss that uses labels.
        positions: for a loss that takes a mask, the shape of an example's mask.
        wrong: shapes of one student example that must be refused; None stands for
            those that differ in the last axis, or lack it.
        looks_around: whether an example's value depends on the rest of its batch.
    """

    loss: type[losses.DistillationLoss]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shape: Any = (6,)
    student_shape: Any = None
    minimum: float | None = 0.0
    labels: Callable[[np.random.Generator], np.ndarray] | None = None
    positions: tuple[int, ...] | None = None
    wrong: list[tuple[int, ...]] | None = None
    looks_around: bool = False

    def __str__(self):
        given = [f"{key}={_short(value)}" for key, value in self.arguments.items()]
        return f"{self.loss.__name__}({', '.join(given)}) on {self.shape}"

    def make(self, **kwargs):
        return self.loss(**self.arguments, **kwargs)

    def sample(self, seed=0, scale=1.0, batch=BATCH):
        """`(teacher, student)` of random numbers, float32."""
        rng = np.random.default_rng(seed)

        def draw(shape):
            if isinstance(shape, list):
                return [draw(part) for part in shape]
            return (scale * rng.normal(size=(batch, *shape))).astype("float32")

        return draw(self.shape), draw(self.student_shape or self.shape)

    def targets(self, teacher, seed=0):
        """What the loss takes as `y_true`: the teacher's side, and its labels."""
        if self.labels is None:
            return teacher
        labels = self.labels(np.random.default_rng(seed))
        return {"teacher": teacher, "labels": labels}


def _short(value):
    if isinstance(value, keras.losses.Loss):
        return type(value).__name__
    return getattr(value, "__name__", value)


def rows(loss, *variants, **common):
    """A row per variant of a loss's arguments."""
    return [LossRow(loss, arguments, **common) for arguments in variants or [{}]]
