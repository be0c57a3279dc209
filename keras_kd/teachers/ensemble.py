"""Several teachers as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from keras_kd.probabilities import log_probabilities
from keras_kd.taps import is_output
from keras_kd.teachers.frozen import as_teacher
from keras_kd.teachers.teacher import Teacher
from keras_kd.types import OUTPUT, Tap
from keras_kd.validation import non_negative, one_of

COMBINATIONS = ("logits", "probabilities")


class EnsembleTeacher(Teacher):
    """Several teachers; their combined logits are the output.

    A member's own feature is the tap `"name/tap"`: `"resnet/output"`,
    `"resnet/conv4_block6_out"`.

    Args:
        members: dict from name to a `keras.Model` or teacher, or a list of
            models, which then go by their own names.
        combine: `"logits"` (the mean of the logits), `"probabilities"` (the
            logarithm of the mean of their softmax), or a function of the list of
            the members' outputs. Defaults to `"logits"`.
        weights: dict from name to a non-negative weight in that mean; they are
            scaled to sum to one. Defaults to None: equal.

    Raises:
        ValueError: without members, or with an unknown name in `weights`.

    Example:

    ```python
    teacher = EnsembleTeacher({"wide": wide, "deep": FrozenTeacher(deep, size=64)})
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
    """

    name = "ensemble"

    def __init__(
        self,
        members: Mapping[str, Any] | Sequence[Any],
        combine: str | Callable = "logits",
        weights: Mapping[str, float] | None = None,
    ):
        if not isinstance(members, Mapping):
            members = {member.name: member for member in members}
        if not members:
            raise ValueError("`members` must name at least one teacher. Received none.")
        self.members = {name: as_teacher(member) for name, member in members.items()}
        self.combine = (
            combine if callable(combine) else one_of("combine", combine, COMBINATIONS)
        )
        for name in weights or ():
            one_of("weights", name, self.members)
        given = {name: (weights or {}).get(name, 1.0) for name in self.members}
        total = sum(non_negative(f"weights[{n!r}]", w) for n, w in given.items())
        if not total:
            raise ValueError(f"`weights` must not all be 0. Received: {weights}.")
        self.weights = {name: weight / total for name, weight in given.items()}

    @property
    def runs_ahead(self) -> bool:
        """Whether all of its members best do."""
        return all(member.runs_ahead for member in self.members.values())

    def get_ready(self, spec, taps):
        for name, inner in self._wanted(taps).items():
            self.members[name].get_ready(spec, (OUTPUT, *inner))

    def features(self, x, taps, student=None):
        wanted, features = self._wanted(taps), {}
        for name, member in self.members.items():
            for tap, value in member(x, wanted[name], student).items():
                features[f"{name}/{tap}"] = value
        features[OUTPUT] = self._combined(
            [features[f"{name}/{OUTPUT}"] for name in self.members]
        )
        return features

    def student_taps(self, taps):
        return tuple(t for m in self.members.values() for t in m.student_taps(taps))

    @property
    def models(self):
        return tuple(model for m in self.members.values() for model in m.models)

    def gives_probabilities(self, tap):
        if is_output(tap):
            return any(m.gives_probabilities(tap) for m in self.members.values())
        name, _, inner = tap.partition("/")
        return self.members[name].gives_probabilities(inner or OUTPUT)

    def _wanted(self, taps):
        """The taps inside each member."""
        wanted: dict[str, list[Tap]] = {name: [] for name in self.members}
        for tap in taps:
            if not is_output(tap):
                name, _, inner = tap.partition("/")
                wanted[one_of("teacher tap", name, self.members)].append(inner)
        return wanted

    def _combined(self, outputs):
        if callable(self.combine):
            return self.combine(outputs)
        if self.combine == "logits":
            return self._mean([ops.cast(z, "float32") for z in outputs])
        probabilities = [ops.softmax(ops.cast(z, "float32")) for z in outputs]
        return log_probabilities(self._mean(probabilities))

    def _mean(self, tensors):
        return sum(
            weight * x for weight, x in zip(self.weights.values(), tensors, strict=True)
        )
