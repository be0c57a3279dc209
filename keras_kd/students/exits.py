"""A student with exits on the way, each with an answer of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.layers.auxiliary_head import AuxiliaryHead
from keras_kd.registration import register
from keras_kd.students.graph import Untracked, inputs_of, tensors_at
from keras_kd.taps import may_begin_taps
from keras_kd.types import Tap
from keras_kd.validation import one_of, share

FINAL = "final"
"""The output of the student itself."""


@dataclasses.dataclass(frozen=True)
class EarlyPredictions:
    """What a student answers that stops at the first exit that is sure.

    Attributes:
        logits: array `(examples, classes)`, each example's of the exit it left by.
        exits: array `(examples,)` of the exits' names.
        shares: dict from each exit's name to the share of examples that left there.
    """

    logits: np.ndarray
    exits: np.ndarray
    shares: dict[str, float]


@register
class EarlyExitStudent(keras.Model):
    """A student whose inner features also end in logits.

    Its output is a dict, an entry for each exit and `"final"` for the student's own
    output. A Distiller trains and evaluates it with the labels, the loss and the
    metrics of a single model, and reports each exit on its own: `exit_1_loss`, …,
    `final_accuracy`. The student's taps begin with `"student/"`, those of a head with
    the exit's name: `"exit_1/feature"`.

    Most often made by `with_exits`.

    Args:
        student: a built functional or Sequential `keras.Model` with one output.
        exits: dict from an exit's name to the student's tap, shallow ones first.
        heads: dict from an exit's name to the layer that makes logits of the tap.
        name: str. Defaults to the student's name.

    Raises:
        ValueError: where the student is subclassed, a tap is not there, a name
            cannot be a tap, or an exit has other classes than the student.

    Example:

    ```python
    exits = {"early": "backbone/block_1"}
    student = EarlyExitStudent(model, exits, {"early": AuxiliaryHead(5)})
    distiller = Distiller(SelfTeacher(), student, methods.be_your_own_teacher(student))
    distiller.compile("adam", loss, metrics=["accuracy"])
    student.early_exit("early").save("early.keras")
    ```

    Reference:
        Zhang, Song, Gao, Chen, Bao, Ma. Be Your Own Teacher: Improve the Performance
        of Convolutional Neural Networks via Self Distillation. ICCV 2019.
        https://arxiv.org/abs/1905.08094
    """

    shares_labels = True

    def __init__(
        self,
        student: keras.Model,
        exits: Mapping[str, Tap],
        heads: Mapping[str, keras.layers.Layer],
        name: str | None = None,
    ):
        tensors, output = tensors_at(student, exits.values(), "EarlyExitStudent")
        super().__init__(
            name=name or student.name, dtype=student.dtype_policy, autocast=False
        )
        _refuse_names(self, exits, heads)
        self.exits = dict(exits)
        self.student = student
        for key, head in heads.items():
            setattr(self, key, head)
        inputs = inputs_of(student)
        features = {key: tensors[tap] for key, tap in exits.items()}
        body = keras.Model(inputs, [*features.values(), output])
        self._graph = Untracked(body=body, tensors=features)
        self.build(keras.tree.map_structure(lambda x: x.shape, inputs))
        _refuse_classes(self, output)

    @property
    def output_names(self) -> list[str]:
        """The exits, and `"final"`."""
        return [*self.exits, FINAL]

    @property
    def heads(self) -> dict[str, keras.layers.Layer]:
        """The exits' heads by name."""
        return {name: getattr(self, name) for name in self.exits}

    def build(self, input_shape):
        for name, head in self.heads.items():
            if not head.built:
                head.build(tuple(self._graph.tensors[name].shape))
        self.built = True

    def call(self, inputs, training=False):
        *features, final = self._graph.body(inputs, training=training)
        outputs = {
            name: head(feature, training=training)
            for (name, head), feature in zip(self.heads.items(), features, strict=True)
        }
        return {**outputs, FINAL: final}

    def early_exit(self, name: str) -> keras.Model:
        """The part of the student up to an exit: a plain model of shared weights.

        Args:
            name: an exit's, or `"final"` for the student.

        Returns:
            A functional `keras.Model` that ends in the exit's logits, ready to save
            or export; of an `AuxiliaryHead` with plain Keras layers alone.
        """
        if one_of("name", name, self.output_names) == FINAL:
            return self.student
        x, head = self._graph.tensors[name], self.heads[name]
        for layer in head.steps if isinstance(head, AuxiliaryHead) else [head]:
            x = layer(x)
        return keras.Model(self._graph.body.input, x, name=f"{self.name}_{name}")

    def predict_early(
        self, x: Any, threshold: float = 0.9, batch_size: int = 32
    ) -> EarlyPredictions:
        """What it answers if each example leaves by the first exit that is sure.

        All exits are computed here: it tells what there is to save.

        Args:
            x: examples, as the student takes them.
            threshold: float from 0 to 1, the largest probability of an exit from
                which on it is sure. The last exit always is. Defaults to 0.9.
            batch_size: int. Defaults to 32.

        Returns:
            `EarlyPredictions`.

        Example:

        ```python
        exits = students.with_exits(model, {"early": "backbone/block_1"})
        exits.predict_early(images, threshold=0.8).shares  # {"early": 0.6, "final": …}
        ```
        """
        threshold = share("threshold", threshold)
        outputs = self.predict(x, batch_size=batch_size, verbose=0)
        names = self.output_names
        logits = np.stack([np.asarray(outputs[name], "float64") for name in names])
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        sure = (powers / powers.sum(-1, keepdims=True)).max(-1) >= threshold
        sure[-1] = True
        first = sure.argmax(0)
        return EarlyPredictions(
            logits[first, np.arange(logits.shape[1])].astype("float32"),
            np.asarray(names)[first],
            {name: float(np.mean(first == at)) for at, name in enumerate(names)},
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "student": serialize(self.student),
            "exits": dict(self.exits),
            "heads": {name: serialize(head) for name, head in self.heads.items()},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.saving.deserialize_keras_object
        heads = {
            name: deserialize(head, custom_objects)
            for name, head in config["heads"].items()
        }
        student = deserialize(config["student"], custom_objects)
        return cls(student, config["exits"], heads, config["name"])


def with_exits(
    student: keras.Model,
    exits: Mapping[str, Tap],
    classes: int | None = None,
    head: Callable[[int], keras.layers.Layer] = AuxiliaryHead,
) -> EarlyExitStudent:
    """A student with a head of its own at each of these taps.

    Args:
        student: a built functional or Sequential `keras.Model` with one output.
        exits: dict from an exit's name to the student's tap, shallow ones first.
        classes: int. Defaults to None: those of the student's output.
        head: function of the number of classes that makes a layer. Defaults to
            `AuxiliaryHead`.

    Returns:
        An `EarlyExitStudent`.

    Raises:
        ValueError: as the `EarlyExitStudent`.

    Example:

    ```python
    exits = students.with_exits(model, {"early": "backbone/block_1"})
    distiller = Distiller(SelfTeacher(), exits, methods.be_your_own_teacher(exits))
    distiller.compile("adam", loss, metrics=["accuracy"])
    ```
    """
    if classes is None:
        _, output = tensors_at(student, exits.values(), "with_exits")
        classes = output.shape[-1]
    return EarlyExitStudent(student, exits, {name: head(classes) for name in exits})


def _refuse_names(model, exits, heads):
    for name in exits:
        kept = (FINAL, "student", "output")
        if not may_begin_taps(model, name) or name in kept:
            raise ValueError(
                "The name of an exit begins the taps of its head, as in "
                "'exit_1/feature': it must be a word without '/' that no Keras model "
                f"has as an attribute, and not 'final', 'student' or 'output'. "
                f"Received: {name!r}."
            )
    if not exits or list(exits) != list(heads):
        raise ValueError(
            "An EarlyExitStudent needs one head for each of one or more exits, in "
            f"their order. Received: exits={list(exits)}, heads={list(heads)}."
        )


def _refuse_classes(model, output):
    for name, head in model.heads.items():
        shape = head.compute_output_shape(tuple(model._graph.tensors[name].shape))
        if shape[1:] != tuple(output.shape)[1:]:
            raise ValueError(
                f"The exit {name!r} ends in the shape {tuple(shape)}, and the student "
                f"in {tuple(output.shape)}: they answer the same question, so give "
                f"the head {output.shape[-1]} classes."
            )
