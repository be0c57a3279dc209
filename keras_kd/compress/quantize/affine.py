"""Scale and offset per channel, as one operator of the file."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.compress.quantize.composites import Composite, called
from keras_kd.registration import register


@register
class QuantizedAffine(Composite):
    """A scale and an offset per channel, exported as a 1×1 depthwise convolution.

    That is one operator with a step width for each channel, where a product and a
    sum would be two, the first of a range that has to hold all channels. Each of its
    kernels is a single weight, which rounding leaves as it is.

    Args:
        layer: A `BatchNormalization`, `Normalization` or `Rescaling`.
        ranges: As in `Composite`: none.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The layer's result, before it gets a range."""
        if mask is not None and isinstance(self.layer, keras.layers.BatchNormalization):
            return self.layer(inputs, training=training, mask=mask)
        return called(self.layer, inputs, training)

    def stripped(self, keep: str | None = None) -> keras.layers.Layer:
        """The plain layer; or, with `keep`, a `DepthwiseAffine`."""
        if keep is None:
            return super().stripped(keep)
        scale, offset = scale_and_offset(self.layer, self.channels)
        new = DepthwiseAffine(name=self.name)
        new.build((None, len(scale)))
        new.scale.assign(scale)
        new.offset.assign(offset)
        return new

    def build(self, inputs_shape: Any) -> None:
        """Remember the number of channels."""
        if inputs_shape is not None:
            self.channels = inputs_shape[-1]
        super().build(inputs_shape)

    def get_build_config(self) -> dict[str, Any] | None:
        return {"channels": self.channels, "layer": super().get_build_config()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.channels = config["channels"]
        super().build_from_config(config["layer"] or {})


@register
class DepthwiseAffine(keras.layers.Layer):
    """`scale · x + offset` per channel, computed as a 1×1 depthwise convolution.

    Args:
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def build(self, inputs_shape: Any) -> None:
        """Make scale and offset, which do not train."""
        shape = (inputs_shape[-1],)
        self.scale = self.add_weight(shape, "ones", trainable=False, name="scale")
        self.offset = self.add_weight(shape, "zeros", trainable=False, name="offset")

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The scaled inputs."""
        channels = inputs.shape[-1]
        outputs = inputs
        if len(inputs.shape) != 4:
            # Whatever lies between batch and channels becomes one row.
            outputs = ops.reshape(inputs, (ops.shape(inputs)[0], 1, -1, channels))
        kernel = ops.reshape(self.scale, (1, 1, channels, 1))
        outputs = ops.depthwise_conv(outputs, kernel) + self.offset
        if len(inputs.shape) != 4:
            outputs = ops.reshape(outputs, ops.shape(inputs))
        return outputs

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        """The input's own shape."""
        return inputs_shape


def scale_and_offset(layer: Any, channels: int) -> tuple[Any, Any]:
    """What a layer multiplies each channel by in inference, and what it adds.

    Args:
        layer: A built `BatchNormalization`, `Normalization` or `Rescaling`.
        channels: Integer.

    Returns:
        A pair of tensors of shape `(channels,)`.
    """
    if isinstance(layer, keras.layers.BatchNormalization):
        scale = ops.rsqrt(layer.moving_variance + layer.epsilon)
        if layer.scale:
            scale = scale * layer.gamma
        offset = -layer.moving_mean * scale
        return scale, offset + layer.beta if layer.center else offset
    if isinstance(layer, keras.layers.Normalization):
        deviation = ops.maximum(ops.sqrt(layer.variance), keras.config.epsilon())
        scale, offset = 1.0 / deviation, -layer.mean / deviation
        if layer.invert:
            scale, offset = deviation, layer.mean
    else:
        scale, offset = layer.scale, layer.offset
    full = ops.ones((channels,))
    return (
        full * ops.reshape(ops.convert_to_tensor(scale, "float32"), (-1,)),
        full * ops.reshape(ops.convert_to_tensor(offset, "float32"), (-1,)),
    )
