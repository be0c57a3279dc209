"""The words that every floor shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras

OUTPUT = "output"
"""The tap that every model has: what its call returns."""

Tap: TypeAlias = str
"""A path of layer names, such as `"backbone/conv4_block6_out"`, or an output."""

Taps: TypeAlias = Tap | Sequence[Tap]
"""What a term reads: one tap, or several whose features arrive as a list."""

Features: TypeAlias = Mapping[Tap, Any]
"""What one forward pass leaves at the taps, always with `"output"`."""

Schedule: TypeAlias = (
    keras.optimizers.schedules.LearningRateSchedule | Callable[[Any], Any]
)
"""A function of the optimizer's step count, made of tensor operations; an
`EpochSchedule` is one of the epoch."""

Number: TypeAlias = float | Schedule
"""A hyperparameter: a constant, or a schedule."""
