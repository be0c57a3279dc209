"""Numbers that live in the graph: set by hand, by a callback or by a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.types import Number


class Hyperparameter(keras.Variable):
    """A non-trainable float32 scalar that a traced graph reads anew at each step.

    Weights and temperatures are of this kind, so `term.weight.assign(0.5)` from a
    callback acts at once, without a retrace, and checkpoints keep the value.

    Args:
        value: float, or a schedule: a `LearningRateSchedule` or any function of
            the optimizer's step count that is made of tensor operations.
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

    def follow(self, step: Any) -> None:
        """Take the schedule's value at `step`; without a schedule, do nothing."""
        if self.schedule is not None:
            self.assign(keras.ops.cast(self.schedule(step), "float32"))

    def get_config(self) -> float | dict:
        """What `__init__` takes to make this anew: the number, or the schedule."""
        if self.schedule is not None:
            return keras.saving.serialize_keras_object(self.schedule)
        # The shortest number that is this float32: 0.9, not 0.8999999761581421.
        return float(str(np.float32(self)))
