"""What each member of an ensemble counts: fixed, by a rule, or learned."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.losses.numerics import at_least_float32
from keras_kd.registration import register
from keras_kd.teachers import weighting
from keras_kd.teachers.class_order import ClassOrder
from keras_kd.validation import non_negative, one_of

LEARNED = "learned"
RULES = ("confidence", "entropy", "correctness", LEARNED)


@register
class LearnedShares(keras.layers.Layer):
    """One logit for each of several teachers; their softmax is what they count.

    Args:
        count: int, how many teachers.
    """

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count
        self.logits = self.add_weight(
            shape=(count,), initializer="zeros", name="logits"
        )
        self.built = True

    def shares(self) -> Any:
        """The weights, `(teachers,)`, of sum 1."""
        return weighting.softmax(ops.convert_to_tensor(self.logits))

    def get_config(self):
        return {**super().get_config(), "count": self.count}


class MemberWeights:
    """The weights of an ensemble's members in each example; they sum to 1.

    Args:
        names: of the members.
        weights, drop_worst: as in `EnsembleTeacher`.

    Attributes:
        shares: dict from name to the fixed weight, of sum 1.
        uses_labels: bool, whether the labels are needed.
        layer: `LearnedShares`, or None.

    Raises:
        ValueError: for a rule or a name that is not there, a negative weight, or
            where all would be 0 or left out.
    """

    def __init__(
        self,
        names: Sequence[str],
        weights: Mapping[str, float] | str | Callable | None,
        drop_worst: int,
    ):
        fixed = weights is None or isinstance(weights, Mapping)
        self.rule: Any = None
        if not fixed:
            self.rule = (
                weights if callable(weights) else one_of("weights", weights, RULES)
            )
        self.shares = _shares(names, weights if fixed else None)
        counted = sum(share > 0 for share in self.shares.values())
        self.drop_worst = _fewer_than("drop_worst", drop_worst, counted)
        self.layer = None
        if self.rule == LEARNED:
            self.layer = LearnedShares(len(self.shares), name="learned_shares")
        self._takes_labels = callable(self.rule) and (
            "labels" in inspect.signature(self.rule).parameters
        )
        self.uses_labels = self.rule == "correctness" or self._takes_labels

    @property
    def fixed(self) -> bool:
        """Whether all examples have the same, for good."""
        return self.rule is None and not self.drop_worst

    def __call__(
        self,
        own: Sequence[Any],
        logits: Sequence[Any],
        orders: Sequence[ClassOrder],
        labels: Any,
    ) -> Any:
        """The weights of a batch.

        Args:
            own: the members' outputs, each in its own classes.
            logits: the same in the student's classes.
            orders: of their classes.
            labels: the batch's, or None.

        Returns:
            Tensor `(batch, members)`; `(members,)` where all examples have the same.
        """
        shares = ops.convert_to_tensor(list(self.shares.values()), dtype="float32")
        counted = shares > 0
        if self.layer is not None:
            shares = self.layer.shares()
        if self.fixed or (self.layer is not None and not self.drop_worst):
            return shares
        own = at_least_float32(*own)
        shares = ops.cast(shares, own[0].dtype)
        if self.rule == "correctness":
            return weighting.scaled_to_one(self._correctness(logits, orders, labels))
        if self.rule == "confidence":
            shares = shares * weighting.confidences(logits, orders)
        elif self.rule == "entropy":
            shares = shares * ops.exp(-weighting.entropies(own))
        elif callable(self.rule):
            more = (labels,) if self._takes_labels else ()
            shares = shares * ops.cast(self.rule(logits, *more), shares.dtype)
        if self.drop_worst:
            values = weighting.entropies(own)
            kept = weighting.all_but_worst(values, self.drop_worst, counted)
            shares = shares * ops.cast(kept, shares.dtype)
        return weighting.scaled_to_one(shares)

    def _correctness(self, logits, orders, labels):
        what = "EnsembleTeacher(weights='correctness')"
        labels = weighting.as_probabilities(labels, logits[0], what)
        values, knows = weighting.cross_entropies(logits, labels, orders)
        # Those that do not know the class are the first to go.
        values = ops.where(knows, values, ops.full_like(values, 1e30))
        if self.drop_worst:
            kept = weighting.all_but_worst(
                values, self.drop_worst, ops.ones_like(knows)
            )
            knows = ops.logical_and(knows, kept)
        return weighting.correctness(values, knows)


def _shares(names, weights):
    """The fixed weights, of sum 1."""
    for name in weights or ():
        one_of("weights", name, names)
    given = {name: (weights or {}).get(name, 1.0) for name in names}
    total = sum(non_negative(f"weights[{n!r}]", w) for n, w in given.items())
    if not total:
        raise ValueError(f"`weights` must not all be 0. Received: {weights}.")
    return {name: weight / total for name, weight in given.items()}


def _fewer_than(name, value, count):
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not 0 <= value < count:
        raise ValueError(
            f"`{name}` must leave a teacher of the {count} that count: an integer from "
            f"0 to {count - 1}. Received: {name}={value!r}."
        )
    return int(value)
