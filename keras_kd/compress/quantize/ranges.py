"""The ranges of activations: watched in training, fixed in what is exported."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_kd.compress.quantize import tfmot_quantizers
from keras_kd.compress.quantize.corrections import corrected, source_of
from keras_kd.compress.quantize.fake_quant import quantize_range, round_within
from keras_kd.registration import register

_calibrating: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "keras_kd_calibrating", default=False
)


class Range(keras.layers.Layer):
    """Rounds what an operator of the file computes.

    Args:
        **kwargs: As `keras.layers.Layer` takes them.

    Attributes:
        bounds: Pair of the smallest and the largest value.
    """

    quantize_aware = "int8"
    bounds: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.source: Any = None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The rounded inputs; a first symbolic call shows what they come from."""
        if isinstance(inputs, keras.KerasTensor) and not kwargs.get("ties"):
            self.source = self.source or source_of(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        """The input's own shape."""
        return inputs_shape


@register
class ObservedRange(Range):
    """Rounds an activation to 8 bits, in a range that it learns by looking.

    In training it keeps a moving average of the smallest and the largest value of a
    batch (the first batch's to begin with) and, from step `delay` on, rounds. In
    inference it rounds as soon as there is a range.

    Args:
        delay: Integer. Training steps in which it only looks. Defaults to `0`.
        momentum: Float. Share of the old range that each step keeps. Defaults to
            `0.99`.
        engine: `"keras"`, or `"tfmot"` for TFMOT's `MovingAverageQuantizer`, whose
            momentum is 0.999. Defaults to `"keras"`.
        **kwargs: As `keras.layers.Layer` takes them.

    Example:

    ```python
    layer = ObservedRange()
    layer(keras.ops.ones((1, 2)), training=True)
    float(layer.maximum)  # 1.0
    ```
    """

    def __init__(
        self,
        delay: int = 0,
        momentum: float = 0.99,
        engine: str = "keras",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.delay = delay
        self.momentum = momentum
        self.engine = engine

    def build(self, inputs_shape: Any) -> None:
        """Make the range, and the count of the steps seen."""

        def scalar(name: str) -> Any:
            return self.add_weight(
                shape=(),
                initializer="zeros",
                trainable=False,
                autocast=False,
                # Several replicas agree on the mean of what they saw.
                aggregation="mean",
                name=name,
            )

        self.minimum = scalar("minimum")
        self.maximum = scalar("maximum")
        self.steps = scalar("steps")

    def call(
        self, inputs: Any, training: bool | None = None, ties: str | None = None
    ) -> Any:
        """The activation, rounded, or as it is while there is no range to go by.

        Args:
            inputs: Float tensor.
            training: Boolean.
            ties: For a second call, with what was averaged or interpolated from what
                the first returned: how LiteRT rounds such halves, `"away"` from zero
                or `"up"`. The range is not moved. Defaults to `None`.
        """
        if _calibrating.get():
            if ties is None:
                self._widen(inputs)
            return inputs
        if ties is not None or not training:
            low, high = self.minimum.value, self.maximum.value
            rounded = (
                quantize_range(corrected(inputs, self, low, high), low, high)
                if ties is None
                else round_within(inputs, low, high, ties)
            )
            # In training the first call has counted this step already.
            enough = self.delay if training else 0
            return ops.where(self.steps.value > enough, rounded, inputs)
        active = self.steps.value >= self.delay
        rounded = self._follow(inputs)
        self.steps.assign(self.steps.value + 1.0)
        return ops.where(active, rounded, inputs) if self.delay else rounded

    @property
    def bounds(self) -> Any:
        return self.minimum.value, self.maximum.value

    def _follow(self, inputs: Any) -> Any:
        """Move the range towards this batch's, and round by it."""
        low, high = _bounds(inputs)
        first = ops.equal(self.steps.value, 0.0)
        low_before = ops.where(first, low, self.minimum.value)
        high_before = ops.where(first, high, self.maximum.value)
        if self.engine == "tfmot":
            self.minimum.assign(low_before)
            self.maximum.assign(high_before)
            inputs = corrected(inputs, self, low_before, high_before)
            return tfmot_quantizers.moving_average(inputs, self.minimum, self.maximum)
        low = low_before + (1.0 - self.momentum) * (low - low_before)
        high = high_before + (1.0 - self.momentum) * (high - high_before)
        self.minimum.assign(low)
        self.maximum.assign(high)
        return quantize_range(corrected(inputs, self, low, high), low, high)

    def _widen(self, inputs: Any) -> None:
        """Let the range hold all values of this batch too."""
        if self.engine == "tfmot":
            tfmot_quantizers.all_values(inputs, self.minimum, self.maximum)
        else:
            low, high = _bounds(inputs)
            self.minimum.assign(ops.minimum(low, self.minimum.value))
            self.maximum.assign(ops.maximum(high, self.maximum.value))
        self.steps.assign(self.steps.value + 1.0)

    def stripped(self, keep: str | None = None) -> FixedRange | None:
        """Nothing, or a `FixedRange` of what was seen, for the exporter.

        Raises:
            ValueError: If nothing was seen.
        """
        if keep is None:
            return None
        if not float(self.steps):
            raise ValueError(
                f"The range at {self.name!r} was never observed: train the "
                "quantize-aware model for a step at least, or hand calibration_data "
                "to quantize_aware."
            )
        return FixedRange(float(self.minimum), float(self.maximum), name=self.name)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "delay": self.delay,
            "momentum": self.momentum,
            "engine": self.engine,
        }


@register
class FixedRange(Range):
    """Rounds an activation to 8 bits between two bounds that stay as they are.

    Softmax, sigmoid and tanh have bounds that the file format prescribes; and what
    `ObservedRange` learned is exported so.

    Args:
        minimum: Float, not above 0.
        maximum: Float, not below 0.
        **kwargs: As `keras.layers.Layer` takes them.

    Example:

    ```python
    FixedRange(0.0, 255.0)(keras.ops.convert_to_tensor([0.4, 1.6]))  # [0, 2]
    ```
    """

    def __init__(self, minimum: float, maximum: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum = minimum
        self.maximum = maximum

    @property
    def bounds(self) -> Any:
        return self.minimum, self.maximum

    def call(self, inputs: Any, ties: str | None = None) -> Any:
        """The activation, rounded; on a second call left to the file's operator."""
        if ties is not None:
            return inputs
        return quantize_range(inputs, self.minimum, self.maximum)

    def stripped(self, keep: str | None = None) -> FixedRange | None:
        """Nothing, or the same."""
        return None if keep is None else FixedRange.from_config(self.get_config())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
        }


@contextlib.contextmanager
def calibrating() -> Iterator[None]:
    """Let every `ObservedRange` widen to what runs through it, and round nothing."""
    token = _calibrating.set(True)
    try:
        yield
    finally:
        _calibrating.reset(token)


def _bounds(inputs: Any) -> tuple[Any, Any]:
    """The smallest and largest value, zero included, without a gradient."""
    inputs = ops.stop_gradient(inputs)
    return ops.minimum(ops.min(inputs), 0.0), ops.maximum(ops.max(inputs), 0.0)
