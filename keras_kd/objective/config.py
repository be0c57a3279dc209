"""What a saved Distiller says of itself, and what it is made from again."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras

PARTS = ("student", "terms", "strength", "balance", "views", "teacher")

_handed_in: contextvars.ContextVar[Any] = contextvars.ContextVar(
    "keras_kd_teacher", default=None
)


@contextlib.contextmanager
def handing_in(teacher: Any) -> Iterator[None]:
    """Within the block, a Distiller that is loaded has this teacher, if it is one.

    It is there before weights and optimizer are restored, so that what of it was
    trained or followed the student is restored with them.
    """
    token = _handed_in.set(teacher)
    try:
        yield
    finally:
        _handed_in.reset(token)


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
    made = {
        key: keras.saving.deserialize_keras_object(config[key], custom_objects)
        for key in PARTS
    }
    if (teacher := _handed_in.get()) is not None:
        made["teacher"] = teacher
    return config | made


def _serialized(thing: Any) -> Any:
    return None if thing is None else keras.saving.serialize_keras_object(thing)
