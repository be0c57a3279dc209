"""Values that change from epoch to epoch: warm-ups and ramps of weight or temperature.

A `keras.optimizers.schedules.LearningRateSchedule` counts optimizer steps; papers on
distillation count epochs. A Distiller's `fit` knows both.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.registration import register
from keras_kd.validation import number, one_of, positive_int

CURVES = ("linear", "cosine")


class EpochSchedule:
    """Base: a function of the epoch, counted from 0, made of tensor operations.

    A subclass gives `__call__(epoch)` and `get_config()`.
    """

    def __call__(self, epoch: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EpochSchedule:
        return cls(**config)


@register
class LinearWarmup(EpochSchedule):
    """`value · min((epoch + 1) / epochs, 1)`, with epochs counted from 0.

    Args:
        value: non-negative float, where it arrives.
        epochs: int, how many epochs it takes. Defaults to 20.

    Example:

    ```python
    warmup = LinearWarmup(8.0, epochs=20)
    float(warmup(0)), float(warmup(9)), float(warmup(100))  # 0.4, 4.0, 8.0
    ```
    """

    def __init__(self, value: float, epochs: int = 20):
        self.value = number("value", value, minimum=0.0, inclusive=True)
        self.epochs = positive_int("epochs", epochs)

    def __call__(self, epoch):
        share = (ops.cast(epoch, "float32") + 1.0) / self.epochs
        return self.value * ops.minimum(share, 1.0)

    def get_config(self):
        return {"value": self.value, "epochs": self.epochs}


@register
class Ramp(EpochSchedule):
    """From `start` at epoch 0 to `stop` at `epochs`, and `stop` from then on.

    Args:
        start, stop: floats.
        epochs: int, how many epochs it takes.
        curve: `"linear"`, or `"cosine"`: slow at both ends. Defaults to `"linear"`.

    Example:

    ```python
    cooling = Ramp(8.0, 2.0, epochs=30, curve="cosine")
    loss = losses.KLDistillation(temperature=cooling)
    ```
    """

    def __init__(self, start: float, stop: float, epochs: int, curve: str = "linear"):
        self.start = number("start", start, minimum=-math.inf, inclusive=False)
        self.stop = number("stop", stop, minimum=-math.inf, inclusive=False)
        self.epochs = positive_int("epochs", epochs)
        self.curve = one_of("curve", curve, CURVES)

    def __call__(self, epoch):
        share = ops.clip(ops.cast(epoch, "float32") / self.epochs, 0.0, 1.0)
        if self.curve == "cosine":
            share = 0.5 - 0.5 * ops.cos(math.pi * share)
        return self.start + (self.stop - self.start) * share

    def get_config(self):
        return {
            "start": self.start,
            "stop": self.stop,
            "epochs": self.epochs,
            "curve": self.curve,
        }
