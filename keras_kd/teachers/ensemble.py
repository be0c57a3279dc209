"""Several teachers as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.losses.numerics import at_least_float32
from keras_kd.replicas.batch import over_global_batch
from keras_kd.taps import is_output, output_features, symbolically
from keras_kd.teachers.class_order import ClassOrder, class_orders
from keras_kd.teachers.fusion import COMBINATIONS, fused
from keras_kd.teachers.members import (
    REORDERED,
    Kept,
    last_axis,
    named_members,
    number_of_classes,
    of_member,
    taps_inside,
)
from keras_kd.teachers.teacher import WEIGHTS, Teacher, frozen
from keras_kd.teachers.weighting import as_probabilities
from keras_kd.teachers.weights import LEARNED, MemberWeights
from keras_kd.types import OUTPUT
from keras_kd.validation import one_of


class EnsembleTeacher(Teacher):
    """Several teachers; what they say together is the output.

    A member's own feature is the tap `"name/tap"`: `"resnet/output"`,
    `"resnet/conv4_block6_out"`; `"weights"` is how much each counts, `(batch,
    members)`.

    Args:
        members: dict from name to a `keras.Model` or teacher, or a list of
            models, which then go by their own names. One with an input of its own
            is a `FrozenTeacher(model, preprocess=..., size=...)`.
        combine: `"logits"` (the weighted mean of the logits), `"probabilities"` (the
            logarithm of that of their softmax), `"losses"` (each term at the output is
            the weighted mean of its values against each member; the output is as with
            `"logits"`), or a function of the list of the members' outputs. Defaults to
            `"logits"`.
        weights: what each member counts, scaled to sum to one in each example:
            a dict from name to a non-negative number (1 where it is not named); or
            `"confidence"`, its largest probability; `"entropy"`, `exp(−H)` of its
            probabilities; `"correctness"`, by its cross-entropy with the label (CA-MKD;
            0 where it does not know the label's class); `"learned"`, one number each,
            by the cross-entropy of the output with the labels; or a function of the
            list of the members' logits, and of `labels` if it has a parameter of that
            name, that returns `(batch, members)`. Of a sequence all follow the mean
            over its positions. Defaults to None: all alike.
        drop_worst: int, how many members are left out in each example: those with the
            largest cross-entropy with the label under `"correctness"`, else those with
            the largest entropy. Defaults to 0.
        class_maps: dict from name to a list with the student's class of each of that
            member's classes, -1 for none. Two of one number are added up. A member
            counts for the classes that it knows. `"name/output@student"` is its
            output in the student's classes, the others' opinion where it has none.
            Defaults to None: all have the student's classes.

    Raises:
        ValueError: without members, with an unknown name, where members differ in
            their classes without a map, or a class is known to none of them.

    Example:

    ```python
    members = {"wide": wide, "deep": FrozenTeacher(deep, size=64)}
    teacher = EnsembleTeacher(members, combine="losses", weights="correctness")
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
        Kwon, Na, Lee, Kim. Adaptive Knowledge Distillation Based on Entropy. ICASSP
        2020. https://doi.org/10.1109/ICASSP40776.2020.9054698 A lower entropy counts
        more there; that it does so by `exp(−H)` is a choice made here.
        Zhang, Chen, Wang. Confidence-Aware Multi-Teacher Knowledge Distillation.
        ICASSP 2022. https://arxiv.org/abs/2201.00007 Their weights of predictions are
        `"correctness"` with `combine="losses"`; not their weights of features.
    """

    name = "ensemble"

    def __init__(
        self,
        members: Mapping[str, Any] | Sequence[Any],
        combine: str | Callable = "logits",
        weights: Mapping[str, float] | str | Callable | None = None,
        drop_worst: int = 0,
        class_maps: Mapping[str, Sequence[int]] | None = None,
    ):
        self.members = named_members(members)
        self.combine = (
            combine if callable(combine) else one_of("combine", combine, COMBINATIONS)
        )
        self.weights = weights
        self.drop_worst = drop_worst
        self.class_maps = dict(class_maps or {})
        self.weighing = MemberWeights(list(self.members), weights, drop_worst)
        self.uses_labels = self.weighing.uses_labels or any(
            member.uses_labels for member in self.members.values()
        )
        self.orders: dict[str, ClassOrder] | None = None
        if callable(combine):
            _refuse_beside_a_function(self.weighing, self.class_maps)
        else:
            self._order(self._counts())
        self._layer: Kept | None = None

    @property
    def shares(self) -> dict[str, float]:
        """The members' fixed weights, of sum 1."""
        return self.weighing.shares

    @property
    def classes(self) -> int | None:
        """How many classes the output has; None where only a student can tell."""
        return len(next(iter(self.orders.values())).known) if self.orders else None

    @property
    def learned_weights(self) -> dict[str, float] | None:
        """What the members count by now under `weights="learned"`; else None."""
        if self.weighing.layer is None:
            return None
        found = ops.convert_to_numpy(self.weighing.layer.shares())
        return dict(zip(self.members, map(float, found), strict=True))

    @property
    def layer(self) -> keras.layers.Layer | None:
        """What its members keep, and learned weights; None before it is attached."""
        return self._layer

    @property
    def runs_ahead(self) -> bool:
        """Whether all of its members best do, and the output is all that is needed."""
        learns = self.layer is not None or self.weighing.layer is not None
        if learns or self.uses_labels or self.combine == "losses":
            return False
        return all(member.runs_ahead for member in self.members.values())

    def attach(self, student):
        for member in self.members.values():
            member.attach(student)
        if self.orders is None and not callable(self.combine):
            counts = self._counts()
            if None in counts.values():
                alive = last_axis("the student", student)
                counts = {name: count or alive for name, count in counts.items()}
            self._order(counts)
        layers = [*(m.layer for m in self.members.values()), self.weighing.layer]
        layers = [layer for layer in layers if layer is not None]
        self._layer = Kept(layers, name=self.name) if layers else None

    def get_ready(self, spec, taps):
        for name, inner in taps_inside(self.members, taps).items():
            self.members[name].get_ready(spec, (OUTPUT, *inner))

    def features(self, x, taps, student=None, labels=None):
        inside, features = taps_inside(self.members, taps), {}
        for name, member in self.members.items():
            for tap, value in member(x, inside[name], student, labels).items():
                features[f"{name}/{tap}"] = value
        return features | self._together(features, labels)

    def spec(self, x, taps, student=None):
        inside, features = taps_inside(self.members, taps), {}
        for name, member in self.members.items():
            for tap, value in member.spec(x, inside[name], student).items():
                features[f"{name}/{tap}"] = value

        def together(features):
            # In place of labels, which have no spec: any will do.
            first = features[f"{next(iter(self.members))}/{OUTPUT}"]
            guess = ops.argmax(first, axis=-1) if self.uses_labels else None
            return frozen(self._together(features, guess))

        return features | symbolically(together, features)

    def each(self, tap):
        if self.combine != "losses" or tap != OUTPUT:
            return ()
        return tuple(
            f"{name}/{REORDERED if name in self.class_maps else OUTPUT}"
            for name in self.members
        )

    def own_loss(self, features, labels, sample_weight):
        learned = self.weighing.layer
        if not features or not all(f"{m}/{OUTPUT}" in features for m in self.members):
            # No term is on, or the targets come stored: nothing to learn from.
            return None if learned is None else 0.0 * ops.sum(learned.shares())
        losses = [
            member.own_loss(of_member(name, features), labels, sample_weight)
            for name, member in self.members.items()
        ]
        if learned is not None:
            output = self._together(features, labels)[OUTPUT]
            what = f"EnsembleTeacher(weights={LEARNED!r})"
            labels = as_probabilities(labels, output, what)
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            batch = labels, output, sample_weight
            losses.append(over_global_batch(loss, batch, [loss.reduction]))
        losses = [loss for loss in losses if loss is not None]
        return sum(losses) if losses else None

    def after_step(self, student):
        for member in self.members.values():
            member.after_step(student)

    def student_taps(self, taps):
        inside = taps_inside(self.members, taps)
        found = [
            tap
            for name, member in self.members.items()
            for tap in member.student_taps((OUTPUT, *inside[name]))
        ]
        return tuple(dict.fromkeys(found))

    @property
    def models(self):
        return tuple(model for m in self.members.values() for model in m.models)

    def gives_probabilities(self, tap):
        if is_output(tap):
            return any(m.gives_probabilities(tap) for m in self.members.values())
        name, _, inner = tap.partition("/")
        inner = OUTPUT if inner in ("", REORDERED) else inner
        return name in self.members and self.members[name].gives_probabilities(inner)

    def _counts(self):
        return {n: number_of_classes(n, m) for n, m in self.members.items()}

    def _order(self, counts):
        if None not in counts.values():
            counted = [name for name, share in self.shares.items() if share]
            self.orders = class_orders(self.class_maps, counts, counted)

    def _together(self, features, labels):
        """The output, the weights, and what members say in the student's classes."""
        own = [features[f"{name}/{OUTPUT}"] for name in self.members]
        if callable(self.combine):
            return output_features(self.combine(own))
        own = list(at_least_float32(*own))
        if self.orders is None:
            sizes = [z.shape[-1] if len(z.shape) > 1 else 1 for z in own]
            self._order(dict(zip(self.members, sizes, strict=True)))
        orders = list((self.orders or {}).values())
        logits = [order(z) for order, z in zip(orders, own, strict=True)]
        weights = self.weighing(own, logits, orders, labels)
        shares = list(self.shares.values())
        output = fused(self.combine, logits, weights, shares, orders)
        if len(weights.shape) == 1:
            weights = ops.broadcast_to(weights, (ops.shape(own[0])[0], len(own)))
        found = {OUTPUT: output, WEIGHTS: weights}
        for name in self.class_maps:
            index = list(self.members).index(name)
            order, z = orders[index], logits[index]
            whole = order.known.all()
            found[f"{name}/{REORDERED}"] = z if whole else order.completed(z, output)
        return found


def _refuse_beside_a_function(weighing, class_maps):
    """A function of the outputs alone would not hear of these."""
    given = {
        "weights": weighing.rule,
        "drop_worst": weighing.drop_worst,
        "class_maps": class_maps,
    }
    for name, value in given.items():
        if value:
            raise ValueError(
                f"`{name}` is for `combine` in {list(COMBINATIONS)}: a function of the "
                f"outputs does not see it. Received: {name}={value!r}."
            )
