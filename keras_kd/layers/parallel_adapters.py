"""Several adapters side by side, for a term that reads several taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.registration import register


@register
class ParallelAdapters(keras.layers.Layer):
    """Brings each feature of a list to its own counterpart's shape.

    Args:
        adapters: list of layers, one per feature; None leaves a feature as it is.

    Input shape:
        A list of shapes, one per adapter.

    Output shape:
        A list of what the adapters give.

    Example:

    ```python
    adapters = ParallelAdapters([FeatureAdapter(8), None])
    maps = [keras.random.normal((2, 4, 4, 3)), keras.random.normal((2, 2, 2, 5))]
    [x.shape for x in adapters(maps)]  # (2, 4, 4, 8), (2, 2, 2, 5)
    ```
    """

    def __init__(self, adapters: Sequence[Any], **kwargs: Any):
        super().__init__(**kwargs)
        for adapter in adapters:
            if adapter is not None and not isinstance(adapter, keras.layers.Layer):
                raise TypeError(
                    "`adapters` must be a list of layers and None. Received: "
                    f"adapters={adapters!r}."
                )
        self.adapters = list(adapters)

    def build(self, input_shape):
        if len(input_shape) != len(self.adapters):
            raise ValueError(
                f"ParallelAdapters has {len(self.adapters)} adapters. Received "
                f"{len(input_shape)} shapes: {list(input_shape)}."
            )
        for adapter, shape in zip(self.adapters, input_shape, strict=True):
            if adapter is not None and not adapter.built:
                adapter.build(shape)

    def call(self, inputs, training=False):
        return [
            call_layer(adapter, x, training)
            for adapter, x in zip(self.adapters, inputs, strict=True)
        ]

    def compute_output_shape(self, input_shape):
        return [
            shape if adapter is None else adapter.compute_output_shape(shape)
            for adapter, shape in zip(self.adapters, input_shape, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "adapters": [
                None if a is None else keras.saving.serialize_keras_object(a)
                for a in self.adapters
            ],
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["adapters"] = [
            None if a is None else keras.saving.deserialize_keras_object(a)
            for a in config["adapters"]
        ]
        return cls(**config)


def call_layer(layer: Any, x: Any, training: bool) -> Any:
    """Call a layer, with `training` where it takes it; None hands on what comes."""
    if layer is None:
        return x
    if getattr(layer, "_call_has_training_arg", False):
        return layer(x, training=training)
    return layer(x)
