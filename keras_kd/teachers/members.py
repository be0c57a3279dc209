"""What an ensemble knows of its members: names, taps, numbers of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_kd.registration import register
from keras_kd.taps import is_output, output_spec
from keras_kd.teachers.frozen import FrozenTeacher, as_teacher
from keras_kd.teachers.teacher import WEIGHTS, Teacher
from keras_kd.types import Features, Tap
from keras_kd.validation import one_of, unique_names

REORDERED = "output@student"
"""The tap inside a member with its output in the student's classes."""


@register
class Kept(keras.layers.Layer):
    """The layers of several teachers, for a Distiller to keep track of.

    Args:
        layers: list of layers.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.built = True

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers}

    @classmethod
    def from_config(cls, config):
        made = map(keras.saving.deserialize_keras_object, config["layers"])
        return cls(**{**config, "layers": list(made)})


def named_members(members: Any) -> dict[str, Teacher]:
    """Teachers by name; those of a list go by their own names.

    Raises:
        ValueError: where there are none, or two of one name.
    """
    if not isinstance(members, Mapping):
        members = [as_teacher(member) for member in members]
        unique_names("Teachers", [member.name for member in members])
        members = {member.name: member for member in members}
    if not members:
        raise ValueError("`members` must name at least one teacher. Received none.")
    return {name: as_teacher(member) for name, member in members.items()}


def taps_inside(
    members: Mapping[str, Teacher], taps: Sequence[Tap]
) -> dict[str, list[Tap]]:
    """The taps inside each member: `"resnet/gap"` is `"gap"` of `"resnet"`."""
    wanted: dict[str, list[Tap]] = {name: [] for name in members}
    for tap in taps:
        if is_output(tap) or tap == WEIGHTS:
            continue
        name, _, inner = tap.partition("/")
        own = wanted[one_of("teacher tap", name, members)]
        if inner != REORDERED:  # which every pass has
            own.append(inner)
    return wanted


def of_member(name: str, features: Features) -> dict[Tap, Any]:
    """What one member left, by its own taps."""
    start = f"{name}/"
    return {
        tap[len(start) :]: value
        for tap, value in features.items()
        if tap.startswith(start)
    }


def number_of_classes(name: str, member: Teacher) -> int | None:
    """How many classes a member has; None where only its student can tell.

    Raises:
        ValueError: where it has several outputs.
    """
    if not isinstance(member, FrozenTeacher):
        return getattr(member, "classes", None)
    return last_axis(name, member.model)


def last_axis(name: str, model: keras.Model) -> int | None:
    """The size of a model's output, of which there must be one.

    Raises:
        ValueError: where there are several.
    """
    output = output_spec(model)
    if keras.tree.is_nested(output):
        raise ValueError(
            f"Teachers of one ensemble have one output each, and {name!r} has "
            f"{len(output)}: pass a function as `combine`, or a model that ends in the "
            "output that teaches."
        )
    return output.shape[-1] if len(output.shape) > 1 else 1
