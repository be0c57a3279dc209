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

    Shapes are of one example; where a side holds several tensors, they are a list or
    a dict.

    Args:
        loss: the class.
        arguments: what its constructor gets; over all the rows of a class, each
            argument has a value other than its default.
        shape: the shapes of the teacher's and of the student's side.
        student_shape: the student's, where they differ.
        targets_of: function `(generator, batch) -> teacher's side`, where that is not
            made of any real numbers: probabilities, class numbers. The contract
            leaves it as it is, where it scales or flattens the rest.
        minimum: the value where student and teacher are equal and no student can
            do better, or None where there is no such value.
        best: function `teacher -> student` of a student that reaches the minimum,
            where that is not the teacher's own tensor.
        labels: function `(generator) -> labels` of `BATCH` examples, for a loss that
            uses labels.
        positions: for a loss that takes a mask, the shape of an example's mask.
        along: the axes of a tensor (the batch is 0) on which the mask lies; several,
            where it lies on more than one, as on the rows and the columns of an
            attention matrix. Defaults to the first ones.
        wrong: shapes of one student example that must be refused; None stands for
            those that differ in the last axis, or lack it.
        looks_around: whether an example's value depends on the rest of its batch.
        order_matters: whether the place of an example in its batch does.
    """

    loss: type[losses.DistillationLoss]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shape: Any = (6,)
    student_shape: Any = None
    targets_of: Callable[[np.random.Generator, int], Any] | None = None
    minimum: float | None = 0.0
    best: Callable[[Any], Any] | None = None
    labels: Callable[[np.random.Generator], np.ndarray] | None = None
    positions: tuple[int, ...] | None = None
    along: tuple[tuple[int, ...], ...] | None = None
    wrong: list[Any] | None = None
    looks_around: bool = False
    order_matters: bool = False

    def __str__(self):
        given = [f"{key}={_short(value)}" for key, value in self.arguments.items()]
        return f"{self.loss.__name__}({', '.join(given)}) on {self.shape}"

    def make(self, **kwargs):
        return self.loss(**self.arguments, **kwargs)

    def sample(self, seed=0, scale=1.0, batch=BATCH):
        """`(teacher, student)` of random numbers, float32."""
        rng = np.random.default_rng(seed)

        def draw(shape):
            return (scale * rng.normal(size=(batch, *shape))).astype("float32")

        if self.targets_of is None:
            teacher = each_shape(draw, self.shape)
        else:
            teacher = self.targets_of(rng, batch)
        return teacher, each_shape(draw, self.student_shape or self.shape)

    def targets(self, teacher, examples=slice(None), seed=0):
        """What the loss takes as `y_true`: the teacher's side, and its labels.

        `examples` are the places in the batch from which the teacher's side comes.
        """
        if self.labels is None:
            return teacher
        labels = self.labels(np.random.default_rng(seed))
        return {"teacher": teacher, "labels": labels[examples]}

    def changed(self, change, teacher):
        """The teacher's side changed, where it is made of any real numbers."""
        if self.targets_of is not None:
            return teacher
        return keras.tree.map_structure(change, teacher)

    def mask_axes(self):
        return self.along or (tuple(range(1, 1 + len(self.positions))),)


def each_shape(function, shapes):
    """`function` of a shape, or of each one of a list or dict."""
    if isinstance(shapes, dict):
        return {key: each_shape(function, shape) for key, shape in shapes.items()}
    if isinstance(shapes, list):
        return [each_shape(function, shape) for shape in shapes]
    return function(shapes)


def _short(value):
    if isinstance(value, keras.losses.Loss):
        return type(value).__name__
    return getattr(value, "__name__", value)


def rows(loss, *variants, **common):
    """A row per variant of a loss's arguments."""
    return [LossRow(loss, arguments, **common) for arguments in variants or [{}]]
