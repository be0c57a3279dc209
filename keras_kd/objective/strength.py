"""How much each example listens to the teacher, and how much to its label.

    total = mean_i [ 2 (1 − s_i) · hard_i + 2 s_i · Σ_k weight_k · term_k,i ]

with a share `s_i` in [0, 1] through which no gradient flows. The factor 2 leaves the
magnitudes as they are where the shares are one half.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_kd.losses.logit.labels import label_probabilities
from keras_kd.losses.numerics import (
    at_least_float32,
    fitting_mask,
    mean_over_positions,
    without_gradient,
)
from keras_kd.probabilities import entropy
from keras_kd.registration import register
from keras_kd.taps import output_features, select
from keras_kd.terms import part_of
from keras_kd.types import OUTPUT, Features, Tap
from keras_kd.validation import number, one_of, several_classes


def student_entropy(labels: Any, teacher: Any, student: Any) -> Any:
    """`H(q) / log C`: 1 where the student has no opinion, 0 where it is sure."""
    several_classes("DynamicStrength", student.shape)
    return entropy(student) / math.log(student.shape[-1])


def student_error(labels: Any, teacher: Any, student: Any) -> Any:
    """`1 − q_y`: how far the student is from the label; of numbers or one-hot."""
    return 1.0 - _given_to_label("error", labels, student)


def label_trust(labels: Any, teacher: Any, student: Any) -> Any:
    """`1 − p_y`: 0 where the teacher gives the label, 1 where it rules it out."""
    return 1.0 - _given_to_label("label_trust", labels, teacher)


def teacher_confidence(labels: Any, teacher: Any, student: Any) -> Any:
    """`max_c p_c`: near 1 where the teacher is sure, 1/C where it guesses."""
    several_classes("DynamicStrength", teacher.shape)
    return ops.max(ops.softmax(teacher, axis=-1), axis=-1)


MEASURES: dict[str, Callable] = {
    "entropy": student_entropy,
    "error": student_error,
    "teacher_confidence": teacher_confidence,
    "label_trust": label_trust,
}
OF_TEACHER = ("teacher_confidence", "label_trust")
"""Those that read the teacher's output, and not the student's."""


@register
class DynamicStrength:
    """Each example's own balance between its label and the teacher.

    `Distiller(..., strength=DynamicStrength())` gives example i the weight
    `2 (1 − s_i)` in the hard loss and `2 s_i` in every term, on top of its sample
    weight: what the student finds easy follows the label, what it finds hard the
    teacher. The share is `s = low + (high − low) · measure`.

    It acts where hard loss and terms are both on (see `callbacks.Stages`): there is
    nothing to share out otherwise. Logs have the mean share as `strength`.

    Args:
        measure: what the share follows:
            `"entropy"`, of the student's prediction over its greatest, log C;
            `"error"`, one minus the probability that the student gives the label;
            `"teacher_confidence"`, the greatest probability that the teacher gives;
            `"label_trust"`, one minus the probability that the teacher gives the
            label, for noisy labels: one that it does not believe gives way to it;
            or a function `(labels, teacher, student)` of the outputs, made of
            tensor operations, that returns `(batch,)`, or a value per position,
            in [0, 1]. Defaults to `"entropy"`.
        low: float in [0, 1], the share where the measure is 0. Defaults to 0.
        high: float in [0, 1], the share where it is 1. Defaults to 1. With
            `low=1, high=0` the hard examples follow the label.
        output: the output that is measured, of a model with several
            (`"output/kind"`); the share is the whole example's. Defaults to
            `"output"`.

    Example:

    ```python
    distiller = keras_kd.Distiller(
        teacher, student, methods.hinton(), strength=DynamicStrength("entropy")
    )
    ```

    Reference:
        Li, Lin, Ren, Li, Zhou, Sun. Dynamic Knowledge Distillation for Pre-trained
        Language Models. EMNLP 2021. https://arxiv.org/abs/2109.11295
        Their weight of an example's soft loss is this share under `"entropy"`; the
        label's loss takes the rest here, as in the mixing by class of Lukasik,
        Bhojanapalli, Menon, Kumar. Teacher's pet: understanding and mitigating
        biases in distillation. TMLR 2022. https://arxiv.org/abs/2106.10494
        Li, Yang, Song, Cao, Luo, Li. Learning from Noisy Labels with Distillation.
        ICCV 2017. https://arxiv.org/abs/1703.02391 Label and teacher are mixed there
        by one number for all; under `"label_trust"` each example has its own.
    """

    def __init__(
        self,
        measure: str | Callable = "entropy",
        low: float = 0.0,
        high: float = 1.0,
        output: Tap = OUTPUT,
    ):
        self.measure: Any = (
            measure if callable(measure) else one_of("measure", measure, MEASURES)
        )
        self.low = _share("low", low)
        self.high = _share("high", high)
        self.output = output

    def __call__(self, labels: Any, teacher: Any, student: Any) -> Any:
        """The shares.

        Args:
            labels: of the measured output, or None.
            teacher: the teacher's output, `(batch, ..., classes)`.
            student: the student's. Of a sequence each example has the mean over
                the positions that the student's mask leaves.

        Returns:
            Tensor `(batch,)` in float32, without a gradient.
        """
        mask = getattr(student, "_keras_mask", None)
        measure = self.measure if callable(self.measure) else MEASURES[self.measure]
        teacher, student = at_least_float32(teacher, student)
        values = ops.cast(measure(labels, teacher, student), "float32")
        if len(values.shape) == 0:
            raise ValueError(
                "`measure` must return one value per example, (batch,). Received a "
                "scalar."
            )
        values = mean_over_positions(values, fitting_mask(mask, values))
        shares = self.low + (self.high - self.low) * ops.clip(values, 0.0, 1.0)
        return without_gradient(shares)

    def of(self, labels: Any, teacher: Features, student: Features) -> Any:
        """The shares of a batch, from the features of both sides."""
        sides = (_output(features, self.output) for features in (teacher, student))
        return self(part_of(labels, self.output), *sides)

    @property
    def logits(self) -> tuple[tuple[Tap, ...], tuple[Tap, ...]]:
        """What is read as logits: the student's outputs, and the teacher's."""
        if callable(self.measure):
            return (), ()
        one = (self.output,)
        return ((), one) if self.measure in OF_TEACHER else (one, ())

    def get_config(self) -> dict[str, Any]:
        measure: Any = self.measure
        if callable(measure):
            measure = keras.saving.serialize_keras_object(measure)
        return {
            "measure": measure,
            "low": self.low,
            "high": self.high,
            "output": self.output,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DynamicStrength:
        config = dict(config)
        if isinstance(config["measure"], dict):
            config["measure"] = keras.saving.deserialize_keras_object(config["measure"])
        return cls(**config)


def as_strength(strength: Any) -> DynamicStrength | None:
    """A strength as it is; a measure alone, by name or as a function, wrapped."""
    if strength is None or isinstance(strength, DynamicStrength):
        return strength
    return DynamicStrength(strength)


def weighted_by(share: Any, sample_weight: Any, predictions: Any) -> Any:
    """Sample weights times a share, in the form of the predictions.

    Keras lays a weight `(batch,)` along the last axis of values `(batch, time)`, so
    each weight gets the rank of its output's values.

    Args:
        share: tensor `(batch,)`.
        sample_weight: None, a tensor for all outputs, or a structure of them.
        predictions: the outputs.
    """
    if isinstance(predictions, dict):
        own = sample_weight.get if isinstance(sample_weight, dict) else None
        return {
            key: weighted_by(share, own(key) if own else sample_weight, part)
            for key, part in predictions.items()
        }
    if isinstance(predictions, (list, tuple)):
        weights = sample_weight
        if not isinstance(weights, (list, tuple)):
            weights = [weights] * len(predictions)
        pairs = zip(weights, predictions, strict=True)
        return [weighted_by(share, weight, part) for weight, part in pairs]
    rank = max(1, len(predictions.shape) - 1)
    if sample_weight is None:
        return _of_rank(share, rank)
    weight = ops.cast(sample_weight, share.dtype)
    rank = max(rank, len(weight.shape))
    return _of_rank(share, rank) * _of_rank(weight, rank)


def _given_to_label(measure, labels, logits):
    """The probability of the label."""
    several_classes("DynamicStrength", logits.shape)
    if labels is None:
        raise ValueError(
            f"DynamicStrength({measure!r}) needs labels, and the batch has none: pass "
            "`y`."
        )
    p = ops.softmax(logits, axis=-1)
    return ops.sum(label_probabilities(labels, logits) * p, axis=-1)


def _output(features, tap):
    parts = output_features(features[OUTPUT]) if OUTPUT in features else {}
    return select({**parts, **features}, tap)


def _of_rank(x, rank):
    return ops.reshape(x, (*ops.shape(x), *[1] * (rank - len(x.shape))))


def _share(name, value):
    value = number(name, value, minimum=0.0, inclusive=True)
    if value > 1.0:
        raise ValueError(f"`{name}` must be at most 1. Received: {name}={value!r}.")
    return value
