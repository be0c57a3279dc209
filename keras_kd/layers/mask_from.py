"""A feature with the padding mask of another."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.layers.parallel_adapters import call_layer
from keras_kd.registration import register


@register
class MaskFrom(keras.layers.Layer):
    """Adapts a feature, and gives it the padding mask of another.

    Keras takes the mask off what goes into a `MultiHeadAttention`, so the blocks of a
    transformer seldom return one, while the taps inside of it have theirs. A term that
    reads both, `[block, "attention@queries"]`, leaves padding out by this adapter.

    Args:
        adapter: a layer that the feature passes first, or None. Defaults to None.

    Input shape:
        A list of two shapes: the feature's and that of what has the mask.

    Output shape:
        That of the adapted feature.

    Example:

    ```python
    adapter = keras_kd.layers.MaskFrom(keras_kd.layers.DenseAdapter(4))
    tokens = keras.layers.Embedding(9, 2, mask_zero=True)(keras.ops.array([[3, 1, 0]]))
    adapter([keras.ops.ones((1, 3, 8)), tokens])._keras_mask  # [[True, True, False]]
    ```
    """

    def __init__(self, adapter: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if adapter is not None and not isinstance(adapter, keras.layers.Layer):
            raise TypeError(
                f"`adapter` must be a layer or None. Received: adapter={adapter!r}."
            )
        self.adapter = adapter
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 2 or not all(
            isinstance(shape, (list, tuple)) for shape in input_shape
        ):
            raise ValueError(
                "MaskFrom takes two tensors: a feature, and what has the mask. "
                f"Received the shapes {input_shape}."
            )
        if self.adapter is not None and not self.adapter.built:
            self.adapter.build(input_shape[0])

    def call(self, inputs, training=False):
        return call_layer(self.adapter, inputs[0], training)

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else previous_mask[1]

    def compute_output_shape(self, input_shape):
        if self.adapter is None:
            return tuple(input_shape[0])
        return self.adapter.compute_output_shape(input_shape[0])

    def get_config(self):
        adapter = self.adapter
        if adapter is not None:
            adapter = keras.saving.serialize_keras_object(adapter)
        return {**super().get_config(), "adapter": adapter}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if config["adapter"] is not None:
            config["adapter"] = keras.saving.deserialize_keras_object(config["adapter"])
        return cls(**config)
