"""One trunk, several branches: peers that share what they do not differ in."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.cohort import ENSEMBLE
from keras_kd.layers.ensemble_head import EnsembleHead
from keras_kd.registration import register
from keras_kd.students.graph import Untracked, inputs_of, tensors_at
from keras_kd.taps import is_output
from keras_kd.types import Tap
from keras_kd.validation import one_of, positive_int


@register
class BranchedStudent(keras.Model):
    """A student up to a tap, and from there on several times over.

    Its output is a dict: `"branch_1"`, which is the student as it was given,
    `"branch_2"`, … and, with a head, `"ensemble"`. A Distiller trains and evaluates it
    with the labels, the loss and the metrics of a single model. The student's taps
    begin with `"student/"`.

    Args:
        student: a built functional or Sequential `keras.Model` with one output.
        tap: a layer of the student itself, through which all of it flows.
        count: int, how many branches. Defaults to 3.
        head: a layer, called with the list of the tap's feature and the branches'
            logits, such as `EnsembleHead(shared_feature=True)`; or None. Defaults to
            that.
        name: str. Defaults to the student's name.

    Raises:
        ValueError: where the student is subclassed, the tap is not there, or the
            student's output needs more than the tap.

    Example:

    ```python
    student = BranchedStudent(model, "backbone", count=2)
    distiller = Distiller(SelfTeacher(), student, methods.one(student))
    distiller.compile("adam", loss, metrics=["accuracy"])
    student.branch("branch_1").save("student.keras")
    ```

    Reference:
        Lan, Zhu, Gong. Knowledge Distillation by On-the-Fly Native Ensemble. NeurIPS
        2018. https://arxiv.org/abs/1806.04606
    """

    shares_labels = True

    def __init__(
        self,
        student: keras.Model,
        tap: Tap,
        count: int = 3,
        head: Any = "gate",
        name: str | None = None,
    ):
        if positive_int("count", count) < 2:
            raise ValueError(
                "`count` must be 2 or more, for branches that learn from each other. "
                f"Received: count={count!r}."
            )
        if "/" in tap or is_output(tap):
            raise ValueError(
                "`tap` must be a layer of the student itself, not one inside of it or "
                f"the output. Received: tap={tap!r}."
            )
        tensors, output = tensors_at(student, [tap], "BranchedStudent")
        trunk = keras.Model(inputs_of(student), tensors[tap], name="trunk")
        first = _rest(student, tap, tensors[tap], output)
        super().__init__(
            name=name or student.name, dtype=student.dtype_policy, autocast=False
        )
        self.tap = tap
        self.count = int(count)
        self.student = student
        self.others = [keras.models.clone_model(first) for _ in range(count - 1)]
        self.head = EnsembleHead(shared_feature=True) if head == "gate" else head
        self._graph = Untracked(trunk=trunk, first=first)
        shape = keras.tree.map_structure(lambda x: x.shape, inputs_of(student))
        self.build(shape)

    @property
    def branch_names(self) -> list[str]:
        """`"branch_1"`, `"branch_2"`, …"""
        return [f"branch_{number}" for number in range(1, self.count + 1)]

    @property
    def output_names(self) -> list[str]:
        """The branches, and `"ensemble"` with a head."""
        return [*self.branch_names, *([] if self.head is None else [ENSEMBLE])]

    def build(self, input_shape):
        if self.head is not None and not self.head.built:
            feature, logits = self._graph.trunk.output, self._graph.first.output
            shapes = [tuple(feature.shape)] + [tuple(logits.shape)] * self.count
            self.head.build(shapes)
        self.built = True

    def call(self, inputs, training=False):
        feature = self._graph.trunk(inputs, training=training)
        tails = [self._graph.first, *self.others]
        outputs = {
            name: tail(feature, training=training)
            for name, tail in zip(self.branch_names, tails, strict=True)
        }
        if self.head is not None:
            seen = [feature, *outputs.values()]
            outputs[ENSEMBLE] = self.head(seen, training=training)
        return outputs

    def branch(self, name: str = "branch_1") -> keras.Model:
        """One branch with the trunk: a plain model of shared weights.

        Args:
            name: str. Defaults to `"branch_1"`, which is the student.

        Returns:
            A functional `keras.Model`, ready to save or export.
        """
        number = self.branch_names.index(one_of("name", name, self.branch_names))
        if not number:
            return self.student
        trunk, tail = self._graph.trunk, self.others[number - 1]
        return keras.Model(trunk.input, tail(trunk.output), name=f"{self.name}_{name}")

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "student": serialize(self.student),
            "tap": self.tap,
            "count": self.count,
            "head": None if self.head is None else serialize(self.head),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        given = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects)
            for key in ("student", "head")
        }
        return cls(**config | given)


def branches(
    student: keras.Model, tap: Tap, count: int = 3, head: Any = "gate"
) -> BranchedStudent:
    """A student whose layers after a tap are there several times, each new but one.

    Args:
        student: a built functional or Sequential `keras.Model` with one output. It is
            the trunk and the first branch.
        tap: a layer of the student itself, through which all of it flows.
        count: int, how many branches. Defaults to 3.
        head: as in `BranchedStudent`. Defaults to a gate on the tap's feature.

    Returns:
        A `BranchedStudent`.

    Example:

    ```python
    student = students.branches(model, "backbone", count=3)
    distiller = Distiller(SelfTeacher(), student, methods.one(student))
    ```

    Reference:
        Lan, Zhu, Gong. Knowledge Distillation by On-the-Fly Native Ensemble. NeurIPS
        2018. https://arxiv.org/abs/1806.04606
    """
    return BranchedStudent(student, tap, count, head)


def _rest(student, tap, feature, output):
    """The student from the tap on."""
    try:
        return keras.Model(feature, output, name="branch")
    except ValueError:
        raise ValueError(
            f"The output of {student.name!r} needs more than its tap {tap!r}: name a "
            "layer through which all of it flows, such as the end of a block."
        ) from None
