"""Layers that compute in more than one step, each step with a range of its own.

The converter gives every operator's result a range. Where one Keras layer becomes
several operators, the ranges between them belong inside: these wrappers have the
layer's name, its taps and its result, and give the layer back when stripped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_kd.compress.quantize.fake_quant import quantize_range
from keras_kd.compress.weights import TransformedWeights, copy_of
from keras_kd.registration import register


class Composite(keras.layers.Layer):
    """A layer, and the ranges of what it computes on the way to its result.

    A subclass gives `call` and says how many ranges there are.

    Args:
        layer: A built layer, or None.
        ranges: List of `ObservedRange` or `FixedRange`.
        name: String. Defaults to the name of `layer`.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def __init__(
        self,
        layer: keras.layers.Layer | None,
        ranges: list[keras.layers.Layer],
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name or (layer.name if layer else None), **kwargs)
        self.layer = layer
        self.ranges = ranges
        self.supports_masking = True

    def build(self, inputs_shape: Any) -> None:
        """Build the layer and the ranges, whose variables are scalars."""
        if self.layer is not None and not self.layer.built:
            self.layer.build(inputs_shape)
        for part in self.ranges:
            if not part.built:
                part.build(())
                part.built = True
        self.built = True

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        """The layer's output shape."""
        if self.layer is None:
            return inputs_shape
        return self.layer.compute_output_shape(inputs_shape)

    def original(self, layer: Any) -> keras.layers.Layer:
        """What is left without ranges; `layer` is the stripped `self.layer`."""
        return layer

    def stripped(self, keep: str | None = None) -> keras.layers.Layer:
        """The plain layer; or, with `keep`, the same with ranges that are fixed."""
        layer = stripped_part(self.layer, keep)
        if keep is None:
            return self.original(layer)
        config = self.get_config() | {"layer": None, "ranges": []}
        new = type(self).from_config(config)
        new.layer, new.ranges = layer, [part.stripped(keep) for part in self.ranges]
        new.build(None)
        return new

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layer": serialize(self.layer),
            "ranges": [serialize(part) for part in self.ranges],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        restore = keras.saving.deserialize_keras_object
        config = dict(config)
        config["layer"] = restore(config["layer"])
        config["ranges"] = [restore(part) for part in config["ranges"]]
        return cls(**config)

    def get_build_config(self) -> dict[str, Any] | None:
        return self.layer.get_build_config() if self.layer else {"input_shape": None}

    def build_from_config(self, config: dict[str, Any]) -> None:
        if self.layer is not None and not self.layer.built:
            self.layer.build_from_config(config)
        self.build(None)


@register
class QuantizedActivation(Composite):
    """A layer without its activation, a range, and the activation.

    Args:
        layer: The layer built with a linear activation; None where the activation
            is all there is.
        ranges: As in `Composite`: one between the two, or none.
        activation: The activation, as Keras takes it.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def __init__(
        self, layer: Any, ranges: list[Any], activation: Any, **kwargs: Any
    ) -> None:
        super().__init__(layer, ranges, **kwargs)
        self.activation = keras.activations.get(activation)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The layer's result, before it gets a range."""
        if self.layer is not None:
            inputs = called(self.layer, inputs, training)
            inputs = called(self.ranges[0], inputs, training)
        return IN_STEPS.get(self.activation, self.activation)(inputs)

    def original(self, layer: Any) -> keras.layers.Layer:
        """The layer with its activation."""
        if layer is None:
            return keras.layers.Activation(self.activation, name=self.name)
        return copy_of(layer, activation=self.activation)

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


@register
class QuantizedSeparable(Composite):
    """A separable convolution as its two parts, with a range between them.

    Args:
        layer: A `keras.layers.SeparableConv2D`, with transforms or without.
        ranges: As in `Composite`: one.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The layer's result, before it gets a range."""
        layer: Any = self.layer
        if isinstance(layer, TransformedWeights):
            (_, depthwise), (_, pointwise) = layer.kernels(training)
            layer = layer.layer
        else:
            depthwise, pointwise = layer.depthwise_kernel, layer.pointwise_kernel
        outputs = ops.depthwise_conv(
            inputs,
            depthwise,
            layer.strides,
            layer.padding,
            dilation_rate=layer.dilation_rate,
        )
        outputs = called(self.ranges[0], outputs, training)
        outputs = ops.conv(outputs, pointwise, padding="valid")
        if layer.use_bias:
            outputs = ops.add(outputs, layer.bias)
        return layer.activation(outputs)


@register
class QuantizedMerge(Composite):
    """`Add`, `Multiply` or `Average` of three inputs or more, two at a time.

    Args:
        layer: The layer.
        ranges: As in `Composite`: one fewer than the operators it takes.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The layer's result, before it gets a range."""
        multiply = isinstance(self.layer, keras.layers.Multiply)
        merge: Callable[..., Any] = ops.multiply if multiply else ops.add
        between = iter(self.ranges)
        outputs = merge(inputs[0], inputs[1])
        for other in inputs[2:]:
            outputs = merge(called(next(between), outputs, training), other)
        if isinstance(self.layer, keras.layers.Average):
            outputs = called(next(between), outputs, training) * (1 / len(inputs))
        return outputs


def _hard_sigmoid(x: Any) -> Any:
    """`relu6(x + 3) / 6`, with the range that lies between."""
    return quantize_range(ops.relu6(x + 3.0), 0.0, 6.0) * (1 / 6)


def _silu(x: Any) -> Any:
    """`x · sigmoid(x)`, with the sigmoid's prescribed range."""
    return x * quantize_range(ops.sigmoid(x), 0.0, 255 / 256)


IN_STEPS = {
    keras.activations.hard_sigmoid: _hard_sigmoid,
    keras.activations.silu: _silu,
}
"""Activations that LiteRT computes in more than one step."""


def called(layer: Any, inputs: Any, training: bool | None) -> Any:
    """A layer's result, told of `training` if it asks for it."""
    if layer._call_has_training_arg:
        return layer(inputs, training=training)
    return layer(inputs)


def stripped_part(layer: Any, keep: str | None) -> Any:
    """A layer without what compression added, or a copy of a plain one."""
    if layer is None:
        return None
    return layer.stripped(keep) if hasattr(layer, "stripped") else copy_of(layer)
