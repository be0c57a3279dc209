"""Numbers that live in the graph: set by hand, by a callback or by a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.schedules import EpochSchedule
from keras_kd.types import Number


class Hyperparameter(keras.Variable):
    """A non-trainable float32 scalar that a traced graph reads anew at each step.

    Weights and temperatures are of this kind, so `term.weight.assign(0.5)` from a
    callback acts at once, without a retrace, and checkpoints keep the value.

    Args:
        value: float, or a schedule: a `LearningRateSchedule` or any function of
            the optimizer's step count that is made of tensor operations, or an
            `EpochSchedule` of `keras_kd.schedules`.
        name: str. The argument's name, quoted by errors.
        check: function `(name, value) -> float` of `keras_kd.validation`; a
            schedule is checked at step 0.

    Example:

    ```python
    weight = Hyperparameter(0.9, "weight", validation.non_negative)
    weight.assign(0.5)
    float(weight)  # 0.5
    ```
    """

    def __init__(
        self, value: Number | dict, name: str, check: Callable[[str, Any], float]
    ):
        if isinstance(value, dict):
            value = keras.saving.deserialize_keras_object(value)
        self.schedule: Any = value if callable(value) else None
        start = float(self.schedule(0)) if self.schedule else value
        super().__init__(
            check(name, start),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name=name,
        )

    def follow(self, step: Any, epoch: Any = 0) -> None:
        """Take the schedule's value at a step, or at an epoch; do nothing without."""
        if self.schedule is not None:
            now = epoch if isinstance(self.schedule, EpochSchedule) else step
            self.assign(keras.ops.cast(self.schedule(now), "float32"))

    def __float__(self) -> float:
        # Keras's own refuses a variable that is mirrored on several replicas.
        return float(keras.ops.convert_to_numpy(self))

    def get_config(self) -> float | dict:
        """What `__init__` takes to make this anew: the number, or the schedule."""
        if self.schedule is not None:
            return keras.saving.serialize_keras_object(self.schedule)
        # The shortest number that is this float32: 0.9, not 0.8999999761581421.
        return float(str(np.float32(self)))


def hyperparameters_of(*owners: Any) -> list[Hyperparameter]:
    """What losses and layers keep of this kind in their attributes."""
    return [
        value
        for owner in owners
        if owner is not None
        for value in vars(owner).values()
        if isinstance(value, Hyperparameter)
    ]
