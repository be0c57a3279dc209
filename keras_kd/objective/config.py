"""What a saved Distiller says of itself, and what it is made from again."""

from __future__ import annotations

from typing import Any

import keras

PARTS = ("student", "terms", "strength", "balance", "views", "teacher")


def config_of(distiller: Any) -> dict[str, Any]:
    """A Distiller's arguments as JSON can hold them.

    The teacher is not among them, unless it lives by the student (`Teacher.saved`).
    """
    teacher = distiller.teacher
    return {
        "name": distiller.name,
        "student": _serialized(distiller.student),
        "terms": [_serialized(term) for term in distiller.terms],
        "hard_loss_weight": distiller.hard_loss_weight.get_config(),
        "strength": _serialized(distiller.strength),
        "balance": _serialized(distiller.balance),
        "views": {name: _serialized(view) for name, view in distiller.views.items()},
        "teacher": _serialized(teacher if teacher and teacher.saved else None),
    }


def arguments_from(config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
    """The arguments of a Distiller whose config this is."""
    return config | {
        key: keras.saving.deserialize_keras_object(config[key], custom_objects)
        for key in PARTS
    }


def _serialized(thing: Any) -> Any:
    return None if thing is None else keras.saving.serialize_keras_object(thing)
