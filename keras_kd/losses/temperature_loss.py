"""The base of losses that soften both sides by a temperature."""

from __future__ import annotations

from typing import Any

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.losses.loss import DistillationLoss
from keras_kd.types import Number
from keras_kd.validation import positive


class TemperatureLoss(DistillationLoss):
    """Keeps a temperature, in whose place `call` may be given one that a layer learns.

    Args:
        temperature: positive float, or a schedule; `loss.temperature` is a variable.
        kwargs: as in `DistillationLoss`.
    """

    takes_temperature = True

    def __init__(self, temperature: Number, **kwargs: Any):
        super().__init__(**kwargs)
        self.temperature = Hyperparameter(temperature, "temperature", positive)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature.get_config()}

    def _or_own(self, temperature: Any) -> Any:
        """The temperature that `call` was given, or the loss's own."""
        return self.temperature if temperature is None else temperature
