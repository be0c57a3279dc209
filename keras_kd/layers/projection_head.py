"""An embedding of a feature: a linear map or a small network, of unit length."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class ProjectionHead(keras.layers.Layer):
    """Brings a vector or a map into a space of embeddings of unit length.

    A map is averaged over its positions first. Contrastive losses compare a
    student's embeddings with a teacher's, each through its own head.

    Args:
        units: int, the embedding's width. Defaults to 128.
        hidden: int, the width of a layer between, with `activation`; None is a
            linear head, as in CRD. Defaults to None.
        normalize: bool. Scale each embedding to the Euclidean norm 1. Defaults to
            True.
        activation: name or function, of the hidden layer. Defaults to `"relu"`.

    Input shape:
        `(batch, features)` or `(batch, height, width, channels)`.

    Output shape:
        `(batch, units)`, in the layer's compute dtype.

    Example:

    ```python
    head = keras_kd.layers.ProjectionHead(128, hidden=64)
    head(keras.random.normal((2, 8, 8, 24))).shape  # (2, 128)
    ```

    Reference:
        Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020.
        https://arxiv.org/abs/1910.10699
    """

    def __init__(
        self,
        units: int = 128,
        hidden: int | None = None,
        normalize: bool = True,
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.hidden = None if hidden is None else positive_int("hidden", hidden)
        self.normalize = bool(normalize)
        self.activation = keras.activations.get(activation)
        self.between = (
            keras.layers.Dense(
                self.hidden,
                activation=self.activation,
                dtype=self.dtype_policy,
                name="between",
            )
            if self.hidden
            else None
        )
        self.dense = keras.layers.Dense(
            self.units, dtype=self.dtype_policy, name="dense"
        )

    def build(self, input_shape):
        if len(input_shape) not in (2, 4) or input_shape[-1] is None:
            raise ValueError(
                "ProjectionHead takes vectors (batch, features) or maps (batch, "
                "height, width, channels) of known channels. Received the shape "
                f"{tuple(input_shape)}."
            )
        shape = (input_shape[0], input_shape[-1])
        if self.between is not None:
            self.between.build(shape)
            shape = (input_shape[0], self.hidden)
        self.dense.build(shape)

    def call(self, inputs):
        x = ops.mean(inputs, axis=(1, 2)) if len(inputs.shape) == 4 else inputs
        if self.between is not None:
            x = self.between(x)
        x = self.dense(x)
        return unit_length(x) if self.normalize else x

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "normalize": self.normalize,
            "activation": keras.activations.serialize(self.activation),
        }


def unit_length(x: Any) -> Any:
    """Rows scaled to the norm 1, computed in float32; a row of zeros stays, and has
    the gradient 0, where `x / max(norm, eps)` would have 1 / eps.
    """
    wide = ops.cast(x, "float32")
    squared = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    zero = squared <= 1e-24
    inverse = ops.rsqrt(ops.where(zero, ops.ones_like(squared), squared))
    return ops.cast(
        wide * ops.where(zero, ops.zeros_like(inverse), inverse), dtype=x.dtype
    )
