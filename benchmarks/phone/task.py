"""What the three tasks have in common: data, teacher, student, and how to train."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

CNN_RECIPES = (
    "float32",
    "float16",
    "dynamic_int8",
    "int8",
    "int16x8",
    "weight_only_int8",
    "weight_only_int4",
)


class Unavailable(Exception):
    """What a task needs is not on this machine; the message says how to get it."""


@dataclasses.dataclass(frozen=True)
class Training:
    """How long and how fast.

    `more` and `more_rate` are the second training, begun from the trained student:
    once quantize-aware and once as it is, for a fair comparison of the two.
    """

    epochs: int
    rate: float
    more: int
    more_rate: float
    batch_size: int = 128
    temperature: float = 4.0
    hard_loss_weight: float = 0.1


@dataclasses.dataclass(frozen=True)
class Task:
    """A student to train and bring to a file.

    `logits` are the teacher's answers to the training inputs, where they were
    stored; else `teacher` teaches live. `modes` are those of `quantize_aware`.
    """

    name: str
    family: str
    teacher_name: str
    teacher_accuracy: float
    about: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    network: Callable[[], keras.Model]
    training: Training
    recipes: tuple[str, ...]
    modes: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    teacher: keras.Model | None = None
    logits: np.ndarray | None = None
    augment: Callable[[Any, Any], Any] | None = None
    slow_limit: int = 500
    """Test samples for `int16x8`, which has no fast operators on a CPU."""

    def settings(self) -> dict[str, Any]:
        """What its figures depend on, for the report and for the cache."""
        return {
            "teacher": self.teacher_name,
            "training inputs": len(self.x_train),
            "test inputs": len(self.x_test),
            "input shape": list(self.x_train.shape[1:]),
            "training": dataclasses.asdict(self.training),
            "augmentation": str(self.augment or "none"),
            "stored answers": self.logits is not None,
            "seeds": list(self.seeds),
            "parameters": self.network().count_params(),
        }
