"""What a training step adds up: the hard loss and the terms, each as it counts.

    hard_loss_weight · hard + Σ weight_i · scale_i · term_i

with a scale where a `MagnitudeBalance` gives it, and sample weights that a
`DynamicStrength` shares out between the two sides.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras import ops

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.objective.balance import HARD_LOSS, MagnitudeBalance
from keras_kd.objective.stage import Stage
from keras_kd.objective.step import Step
from keras_kd.objective.strength import DynamicStrength, weighted_by
from keras_kd.replicas.batch import mean_over_batch, over_global_batch
from keras_kd.taps import select
from keras_kd.teachers.teacher import WEIGHTS
from keras_kd.terms import DistillationTerm
from keras_kd.types import Tap
from keras_kd.validation import unique_names

STRENGTH = "strength"
WHOLE = Stage()
MOST = 10.0
"""The greatest weight that may be meant as a share of the hard loss."""


@dataclasses.dataclass
class Parts:
    """The parts of a loss by name: as they are, and as they count."""

    values: dict[str, Any]
    weighted: dict[str, Any]
    notes: dict[str, Any]
    """What the logs have besides: the mean share, the scales."""


class Objective:
    """How the hard loss and the terms are joined."""

    def __init__(
        self,
        terms: Sequence[DistillationTerm],
        hard_loss_weight: Hyperparameter,
        strength: DynamicStrength | None = None,
        balance: MagnitudeBalance | None = None,
    ):
        self.terms = terms
        self.hard_loss_weight = hard_loss_weight
        self.strength = strength
        self.balance = balance
        self.each: Callable[[Any], Sequence[Tap]] = lambda tap: ()
        self.names = [HARD_LOSS, *(term.name for term in terms)]
        unique_names("Terms", ["loss", *self.entries()])
        if balance is not None:
            balance.build_for(len(self.names))
            warn_of_published_weights(terms)

    def entries(self, stage: Stage = WHOLE) -> list[str]:
        """What the logs have of a stage, besides the loss and the metrics."""
        terms = self.terms_on(stage)
        entries = [HARD_LOSS] if stage.hard_loss else []
        entries += [term.name for term in terms]
        if self.strength_in(stage) is not None:
            entries.append(STRENGTH)
        if self.balance is not None and self.balance.log_scales:
            entries += [_scale(term.name) for term in terms]
        return entries

    def strength_in(self, stage: Stage) -> DynamicStrength | None:
        """The strength, where there are two sides to share the examples out to."""
        return self.strength if stage.hard_loss and self.terms_on(stage) else None

    @property
    def hyperparameters(self) -> Iterator[Hyperparameter]:
        """The numbers that schedules may move."""
        yield self.hard_loss_weight
        for term in self.terms:
            yield from term.hyperparameters

    def terms_on(self, stage: Stage) -> list[DistillationTerm]:
        """The terms that count in a stage."""
        return [term for term in self.terms if stage.picks(term.name)]

    def __call__(
        self,
        stage: Stage,
        step: Step,
        hard_loss: Callable[[Any], Any],
        labels: Any,
        predictions: Any,
        sample_weight: Any,
    ) -> Parts:
        """The parts of a step's loss.

        Args:
            stage: says what counts.
            step: with the features of both sides.
            hard_loss: function of the sample weights.
            labels, predictions, sample_weight: the batch's.
        """
        terms, student, teacher = self.terms_on(stage), step.student, step.teacher
        notes, of_hard, of_terms = {}, sample_weight, sample_weight
        strength = self.strength_in(stage)
        if strength is not None:
            share = strength.of(labels, teacher, student)
            of_hard = weighted_by(2.0 - 2.0 * share, sample_weight, predictions)
            of_terms = weighted_by(2.0 * share, sample_weight, predictions)
            notes[STRENGTH] = mean_over_batch(share)
        values = {HARD_LOSS: hard_loss(of_hard)} if stage.hard_loss else {}
        for term in terms:
            values[term.name] = self._value(term, step, labels, predictions, of_terms)
        weights = {HARD_LOSS: self.hard_loss_weight}
        weights |= {term.name: term.weight for term in terms}
        weighted = {name: weights[name] * value for name, value in values.items()}
        if self.balance is not None:
            scales = self.balance.scales(self.names, values, self.hard_loss_weight)
            for term in terms:
                weighted[term.name] = scales[term.name] * weighted[term.name]
            if self.balance.log_scales:
                notes |= {_scale(term.name): scales[term.name] for term in terms}
        return Parts(values, weighted, notes)

    def _value(self, term, step, labels, predictions, sample_weight):
        """A term's value; of several teachers the mean, each example by its weights."""

        def compute(student, teacher, labels, sample_weight, index):
            more = {"labels": labels, "sample_weight": sample_weight, "index": index}
            return term(student, teacher, **more, training=True)

        def compared(tap, sample_weight):
            sides = select(step.student, term.student), select(step.teacher, tap)
            return over_global_batch(
                compute,
                (*sides, labels, sample_weight, step.index),
                [term.loss.reduction],
                across_examples=looks_across(term),
            )

        taps = self.each(term.teacher)
        if not taps:
            return compared(term.teacher, sample_weight)
        weights = ops.unstack(select(step.teacher, WEIGHTS), len(taps), axis=-1)
        return sum(
            compared(tap, weighted_by(weight, sample_weight, predictions))
            for tap, weight in zip(taps, weights, strict=True)
        )


def looks_across(term: DistillationTerm) -> bool:
    """Whether a term must see the batch as a whole."""
    return term.memory is not None or term.loss.looks_across


def warn_of_published_weights(terms: Sequence[DistillationTerm]) -> None:
    """A weight of 100 brings a raw value to size; of the hard loss it is 100 times."""
    for term in terms:
        if float(term.weight) > MOST:
            warnings.warn(
                f"Term {term.name!r} has the weight {float(term.weight):g}, which with "
                "`balance` means as many times the hard loss: pass `weight=1.0`, or a "
                "share near it.",
                stacklevel=2,
            )


def _scale(name: str) -> str:
    return f"{name}_scale"
