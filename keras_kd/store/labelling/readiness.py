"""A teacher made ready to label: what runs it, and how close to the original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.data.examples import Examples
from keras_kd.store.labelling.teaching import views_at
from keras_kd.store.manifest import Manifest
from keras_kd.store.views.views import Views
from keras_kd.teachers import Teacher
from keras_kd.types import OUTPUT

CALIBRATED_ON, COMPARED_ON = 256, 1024
"""Examples from which int8 takes its scales, and others on which it is compared."""
WISE = 100
"""Examples without which scales are often too narrow."""
AUTO = "auto"


def refuse_what_cannot_label(teacher: Teacher) -> None:
    """Refuse a teacher that has nothing to say by itself.

    Raises:
        ValueError: for a `StoredTeacher` or a `SelfTeacher`, and an ensemble that
            needs labels or compares with each member.
    """
    if hasattr(teacher, "manifest"):
        raise ValueError(
            f"The outputs of {teacher.name!r} are stored already: train on "
            "`store.dataset(...)`. To label, pass the model that taught it."
        )
    if teacher.student_taps((OUTPUT,)):
        raise ValueError(
            "`teacher` must be a model, a FrozenTeacher or an EnsembleTeacher, which "
            f"label without a student. Received: {type(teacher).__name__}."
        )
    if teacher.uses_labels or teacher.each(OUTPUT):
        needed = "the labels" if teacher.uses_labels else "each of its members"
        raise ValueError(
            f"A store holds a teacher's output alone, and {teacher.name!r} teaches by "
            f"{needed}: label with an ensemble of combine='probabilities' or 'logits' "
            "whose weights need no labels."
        )


def readied(
    teacher: Teacher,
    examples: Examples,
    making: Views,
    manifest: Manifest,
    noted: dict[str, Any] | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Choose and prepare a teacher's engine on real views.

    A store that was begun says which engine it was begun with: that one goes on, so
    that the bytes stay equal.

    Args:
        teacher: a `Teacher`.
        examples: the data.
        making: how views are made.
        manifest: the store's, its notes empty.
        noted: the notes of the store that stands, or None.
        say: what tells the user.

    Returns:
        The notes: `"probabilities"`, the taps that have passed a softmax; `"engine"`;
        of a teacher in a precision of its own `"agreement"`, a dict by name.
    """
    if noted is not None and noted.get("engine") is not None:
        run_by(teacher, noted["engine"], say)
    rows = next(manifest.layout.batches(0, manifest.batch_size))
    reduced = _reduced(teacher)
    calibrate(teacher, examples, making, manifest)
    # A teacher that cannot be prepared shows by a first batch that it can teach.
    first = getattr(teacher, "prepare", teacher.only)
    first(_batch(examples, making, manifest, rows), manifest.taps)
    if noted is not None:
        return dict(noted)
    probabilities = [tap for tap in manifest.taps if teacher.gives_probabilities(tap)]
    notes: dict[str, Any] = {"probabilities": probabilities}
    if (engine := engine_of(teacher)) is not None:
        notes["engine"] = engine
    if reduced:
        found = {
            name: agreement(member, examples, making, manifest)
            for name, member in reduced.items()
        }
        for name, share in found.items():
            say(
                f"    {name} in {reduced[name].precision}: {100 * share:.2f} % of its "
                "top classes are those of float32"
            )
        notes["agreement"] = found
    return notes


def calibrate(
    teacher: Teacher, examples: Examples, making: Views, manifest: Manifest
) -> None:
    """Show an int8 teacher the examples from which it takes its scales."""
    for member in _reduced(teacher).values():
        if member.precision == "int8":
            rows, _ = sample(manifest.layout.examples)
            member.calibrate(_batch(examples, making, manifest, rows))


def agreement(
    teacher: Any, examples: Examples, making: Views, manifest: Manifest
) -> float:
    """The share of examples whose top class is that of the teacher in float32."""
    _, compared = sample(manifest.layout.examples)
    total = 0.0
    for first in range(0, len(compared), manifest.batch_size):
        ids = compared[first : first + manifest.batch_size]
        x = _batch(examples, making, manifest, ids)
        total += len(ids) * float(teacher.agreement(x))
    return round(total / len(compared), 6)


def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
    """`(calibrating, compared)`: numbers of examples, evenly spread, none in both.

    A single example has to do for both.
    """
    drawn = _spread(count, CALIBRATED_ON + COMPARED_ON)
    half = max(len(drawn) // 2, min(WISE, len(drawn) - 1), 1)
    calibrating = drawn[_spread(len(drawn), min(half, CALIBRATED_ON))]
    rest = np.setdiff1d(drawn, calibrating)
    return calibrating, rest if len(rest) else calibrating


def _spread(count: int, most: int) -> np.ndarray:
    """Up to `most` of the numbers below `count`, evenly."""
    return np.linspace(0, count - 1, min(count, most)).round().astype("int64")


def engine_of(teacher: Any) -> Any:
    """The engine's name, of an ensemble a dict by member; None where there is none."""
    if members := getattr(teacher, "members", None):
        return {name: engine_of(member) for name, member in members.items()}
    return getattr(teacher, "chosen", None) or getattr(teacher, "engine", None)


def run_by(teacher: Any, engine: Any, say: Callable[[str], None]) -> None:
    """Have a teacher run by the engine that `engine_of` once named."""
    if isinstance(engine, dict):
        for name, member in getattr(teacher, "members", {}).items():
            run_by(member, engine.get(name), say)
    elif engine is not None and getattr(teacher, "engine", None) not in (None, engine):
        if teacher.engine != AUTO:
            say(f"    {teacher.name} goes on in {engine}, in which it was begun")
        teacher.engine = engine


def _reduced(teacher: Any) -> dict[str, Any]:
    """The teacher, or its members, that compute in a precision of their own."""
    members = getattr(teacher, "members", None) or {teacher.name: teacher}
    return {
        name: member
        for name, member in members.items()
        if getattr(member, "precision", None) is not None
    }


def _batch(examples, making, manifest, rows):
    """The views of some rows, as arrays."""
    rows = tf.data.Dataset.from_tensors(np.asarray(rows, "int64"))
    (x,) = views_at(examples, making, manifest, rows)
    return keras.tree.map_structure(lambda tensor: tensor.numpy(), x)
