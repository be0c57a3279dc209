"""A kernel's fake quantization, as one more transform on its way to the layer."""

from __future__ import annotations

import math
from typing import Any

from keras_kd.compress.quantize import tfmot_quantizers
from keras_kd.compress.quantize.fake_quant import quantize_kernel
from keras_kd.compress.weights import WeightTransform
from keras_kd.registration import register


@register
class QuantizedKernel(WeightTransform):
    """Rounds a kernel per output channel, symmetric around zero.

    Args:
        mode: The mode of `quantize_aware` that it belongs to; `"weight_only_int4"`
            has 4 bits, the others 8. Defaults to `"int8"`.
        engine: `"keras"`, or `"tfmot"` for TFMOT's `LastValueQuantizer`. Defaults
            to `"keras"`.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    order = 2

    def __init__(
        self, mode: str = "int8", engine: str = "keras", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mode = self.quantize_aware = mode
        self.engine = engine
        self.bits = 4 if mode.endswith("int4") else 8

    def build(self, kernel_shape: Any) -> None:
        """Make TFMOT's variables, where it is the engine."""
        if self.engine == "tfmot":
            channels = math.prod(kernel_shape[axis] for axis in self.channel_axes)
            self.minimum, self.maximum = (
                self.add_weight(
                    shape=(channels,),
                    initializer="zeros",
                    trainable=False,
                    aggregation="mean",
                    name=name,
                )
                for name in ("minimum", "maximum")
            )

    def call(self, kernel: Any, training: bool | None = None) -> Any:
        """The kernel, rounded."""
        if self.engine == "tfmot":
            return tfmot_quantizers.last_value(
                kernel, self.channel_axes, self.bits, self.minimum, self.maximum
            )
        return quantize_kernel(kernel, self.channel_axes, self.bits)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode, "engine": self.engine}
