"""What one training step has seen so far, for the methods that Keras calls in it."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass
class Step:
    """The features of both sides, once they are there, what the student sees besides
    the batch, and the examples' places in the dataset.
    """

    teacher: Any
    student: Any = None
    index: Any = None
    views: Any = None


_current: contextvars.ContextVar[Step | None] = contextvars.ContextVar(
    "keras_kd_step", default=None
)


@contextlib.contextmanager
def stepping(step: Step) -> Iterator[Step]:
    """Let `call` and `compute_loss` in this thread see the step they belong to."""
    token = _current.set(step)
    try:
        yield step
    finally:
        _current.reset(token)


def current_step() -> Step | None:
    """The step that this thread is in, or None."""
    return _current.get()
