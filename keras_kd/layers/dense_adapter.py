"""Vectors and token sequences into the teacher's width."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class DenseAdapter(keras.layers.Layer):
    """A linear map of the last axis to the teacher's width.

    For embeddings and hidden states, as in TinyBERT's learned projection.

    Args:
        units: int, the teacher's width.
        use_bias: bool. Defaults to False.
        normalize: bool. Layer normalization after the map. Defaults to False.
        activation: name or function, or None. Defaults to None.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`, in the layer's compute dtype. A padding mask is
        passed on.

    Example:

    ```python
    adapter = keras_kd.layers.DenseAdapter(384)
    adapter(keras.random.normal((2, 16, 128))).shape  # (2, 16, 384)
    ```

    Reference:
        Jiao et al. TinyBERT: Distilling BERT for Natural Language Understanding.
        Findings of EMNLP 2020. https://arxiv.org/abs/1909.10351
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = False,
        normalize: bool = False,
        activation: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.use_bias = bool(use_bias)
        self.normalize = bool(normalize)
        self.activation = keras.activations.get(activation)
        self.dense = keras.layers.Dense(
            self.units, use_bias=self.use_bias, dtype=self.dtype_policy, name="dense"
        )
        self.norm = (
            keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")
            if self.normalize
            else None
        )
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "DenseAdapter takes (batch, ..., features) of known features. "
                f"Received the shape {tuple(input_shape)}."
            )
        self.dense.build(input_shape)
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.units))

    def call(self, inputs):
        x = self.dense(inputs)
        if self.norm is not None:
            x = self.norm(x)
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "normalize": self.normalize,
            "activation": keras.activations.serialize(self.activation),
        }
