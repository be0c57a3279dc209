"""How much of a kernel is pruned at each training batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_kd.registration import register
from keras_kd.validation import positive_int


class SparsitySchedule:
    """A share of pruned weights for every step, and the steps that act on it.

    A subclass gives `__call__` and `get_config`, and `due` where masks are not to
    be made anew at every step.
    """

    def __call__(self, step: Any) -> Any:
        """The share of zeros, 0 ≤ s < 1, at an integer tensor `step`."""
        raise NotImplementedError

    def due(self, step: Any) -> Any:
        """Whether masks are made anew at `step`, as a boolean tensor."""
        return ops.convert_to_tensor(True)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SparsitySchedule:
        """The schedule of a configuration."""
        return cls(**config)


@register
class PolynomialSparsity(SparsitySchedule):
    """A ramp that prunes fast while much is redundant, then ever more gently:

        s(t) = final + (initial − final) · (1 − (t − begin) / (end − begin))^power

    for begin ≤ t ≤ end. Before `begin_step` nothing is pruned; after `end_step` the
    masks stay as they are.

    Args:
        initial: Float in [0, 1). The share of zeros at `begin_step`.
        final: Float in [0, 1). The share at `end_step`.
        begin_step: Integer. The training batch, counted from 0, of the first masks.
        end_step: Integer, later than `begin_step`. Leave some training after it.
        frequency: Integer. Masks are made anew every so many batches, and at
            `end_step`. Defaults to `100`.
        power: Float. Defaults to `3`.

    Example:

    ```python
    schedule = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=1000)
    float(schedule(500))  # 0.7
    ```

    Reference: Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
    pruning for model compression", 2017, https://arxiv.org/abs/1710.01878
    """

    def __init__(
        self,
        initial: float,
        final: float,
        begin_step: int,
        end_step: int,
        frequency: int = 100,
        power: float = 3.0,
    ) -> None:
        self.initial = share("initial", initial)
        self.final = share("final", final)
        if not 0 <= int(begin_step) < int(end_step):
            raise ValueError(
                "`end_step` must be later than `begin_step`, from 0 on. Received: "
                f"begin_step={begin_step!r}, end_step={end_step!r}."
            )
        self.begin_step = int(begin_step)
        self.end_step = int(end_step)
        self.frequency = positive_int("frequency", frequency)
        self.power = float(power)

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        done = (step - self.begin_step) / (self.end_step - self.begin_step)
        left = (1.0 - ops.clip(done, 0.0, 1.0)) ** self.power
        ramp = self.final + (self.initial - self.final) * left
        return ops.where(step < self.begin_step, 0.0, ramp)

    def due(self, step: Any) -> Any:
        step = ops.cast(step, "int32")
        turn = (step - self.begin_step) % self.frequency == 0
        inside = ops.logical_and(step >= self.begin_step, step <= self.end_step)
        return ops.logical_and(inside, ops.logical_or(turn, step == self.end_step))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial": self.initial,
            "final": self.final,
            "begin_step": self.begin_step,
            "end_step": self.end_step,
            "frequency": self.frequency,
            "power": self.power,
        }


@register
class FixedSparsity(SparsitySchedule):
    """One share; its masks are made once, from the weights as they come.

    Args:
        final: Float in [0, 1).
    """

    def __init__(self, final: float) -> None:
        self.final = share("schedule", final)

    def __call__(self, step: Any) -> Any:
        return ops.convert_to_tensor(self.final, "float32")

    def due(self, step: Any) -> Any:
        return ops.convert_to_tensor(False)

    def get_config(self) -> dict[str, Any]:
        return {"final": self.final}


@register
class FunctionSparsity(SparsitySchedule):
    """What a function of the step says, at every step.

    Args:
        function: Function from an integer tensor to a share of zeros, of
            `keras.ops`; or the name under which Keras has it registered. One that
            is not registered yet is, for this process: to load a saved model
            elsewhere, register the function there first, by
            `keras.saving.register_keras_serializable`.
    """

    def __init__(self, function: Callable[[Any], Any] | str) -> None:
        found: Any = function
        if isinstance(function, str):
            found = keras.saving.get_registered_object(function)
        if not callable(found):
            raise ValueError(
                "The function of this pruning schedule is not registered in this "
                f"process. Register it by its name. Received: {function!r}."
            )
        name = keras.saving.get_registered_name(found)
        if keras.saving.get_registered_object(name) is not found:
            name = f"{found.__name__}_{id(found):x}"
            keras.saving.register_keras_serializable("schedule", name)(found)
        self.function = found

    def __call__(self, step: Any) -> Any:
        return ops.cast(self.function(step), "float32")

    def get_config(self) -> dict[str, Any]:
        return {"function": keras.saving.get_registered_name(self.function)}


@register
class TFMOTSparsity(SparsitySchedule):
    """A schedule of the TensorFlow Model Optimization Toolkit, asked as it is.

    Args:
        schedule: `tfmot.sparsity.keras.PolynomialDecay`, `ConstantSparsity`, or
            another of its `PruningSchedule`s; or the configuration of one of the
            former two.
    """

    def __init__(self, schedule: Any) -> None:
        if isinstance(schedule, dict):
            from keras_kd.compress.tfmot.load import load

            kinds = load().sparsity.keras
            schedule = getattr(kinds, schedule["class_name"])(**schedule["config"])
        self.schedule = schedule

    def __call__(self, step: Any) -> Any:
        return self.schedule(ops.cast(step, "int32"))[1]

    def due(self, step: Any) -> Any:
        return self.schedule(ops.cast(step, "int32"))[0]

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule.get_config()}


def schedule_of(value: Any) -> SparsitySchedule:
    """The schedule that the argument of `prune` means.

    Args:
        value: A float, a `SparsitySchedule`, a schedule of TFMOT, or a function of
            the step.

    Raises:
        TypeError: If it is none of them.
        ValueError: If a share is not in [0, 1).
    """
    if isinstance(value, SparsitySchedule):
        return value
    if type(value).__module__.startswith("tensorflow_model_optimization"):
        return TFMOTSparsity(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return FixedSparsity(value)
    if callable(value) and hasattr(value, "__name__"):
        return FunctionSparsity(value)
    raise TypeError(
        "`schedule` must be a share of zeros such as 0.8, a PolynomialSparsity, a "
        f"schedule of TFMOT or a function of the step. Received: {value!r}."
    )


def share(name: str, value: Any) -> float:
    """A float in [0, 1)."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be a share of at least 0 and less than 1. "
            f"Received: {name}={value!r}."
        )
    return float(value)
