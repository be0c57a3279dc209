"""A small classifier on a feature in the middle of a network."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class AuxiliaryHead(keras.layers.Layer):
    """An early exit: a feature is brought to a vector, and that to logits.

    A map passes `blocks` separable 3×3 convolutions of stride 2 with batch
    normalization, as in the paper, and is averaged over its positions; tokens and
    vectors pass as many dense layers. The vector is found at the tap `"feature"`
    inside the head.

    Args:
        classes: int.
        filters: int, the width of the vector. Defaults to None: that of the input.
        blocks: int, how many steps lead to it. Defaults to 1.
        activation: name or function, after each of them. Defaults to `"relu"`.

    Input shape:
        `(batch, height, width, channels)`, `(batch, tokens, features)` or
        `(batch, features)`.

    Output shape:
        `(batch, classes)`, in the layer's compute dtype.

    Example:

    ```python
    head = keras_kd.layers.AuxiliaryHead(10, filters=32)
    head(keras.random.normal((2, 8, 8, 24))).shape  # (2, 10)
    ```

    Reference:
        Zhang, Song, Gao, Chen, Bao, Ma. Be Your Own Teacher: Improve the Performance
        of Convolutional Neural Networks via Self Distillation. ICCV 2019.
        https://arxiv.org/abs/1905.08094
    """

    def __init__(
        self,
        classes: int,
        filters: int | None = None,
        blocks: int = 1,
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.classes = positive_int("classes", classes)
        self.filters = None if filters is None else positive_int("filters", filters)
        self.blocks = positive_int("blocks", blocks)
        self.activation = keras.activations.get(activation)
        self.steps: list[keras.layers.Layer] = []
        self.feature: keras.layers.Layer | None = None

    def build(self, input_shape):
        rank = len(input_shape)
        if rank not in (2, 3, 4) or input_shape[-1] is None:
            raise ValueError(
                "AuxiliaryHead takes maps (batch, height, width, channels), tokens "
                "(batch, tokens, features) or vectors (batch, features) of known "
                f"channels. Received the shape {tuple(input_shape)}."
            )
        width = self.filters or input_shape[-1]
        steps = []
        for number in range(1, self.blocks + 1):
            steps += self._block(rank, width, number)
        pool = {
            3: keras.layers.GlobalAveragePooling1D,
            4: keras.layers.GlobalAveragePooling2D,
        }.get(rank, keras.layers.Identity)
        own: dict[str, Any] = {"dtype": self.dtype_policy}
        if rank > 2:
            own["data_format"] = "channels_last"
        # By this attribute a tap finds it: "exit_1/feature".
        self.feature = pool(name=f"{self.name}_feature", **own)
        logits = keras.layers.Dense(
            self.classes, dtype=self.dtype_policy, name=f"{self.name}_logits"
        )
        steps += [self.feature, logits]
        shape = tuple(input_shape)
        for step in steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)
        self.steps = steps

    def call(self, inputs, training=False):
        x = inputs
        for step in self.steps:
            x = step(x, training=training)
        return x

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.classes)

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "filters": self.filters,
            "blocks": self.blocks,
            "activation": keras.activations.serialize(self.activation),
        }

    def _block(self, rank, width, number):
        # Names that no layer of a student has: an early exit joins both.
        def named(what):
            return {"name": f"{self.name}_{what}_{number}", "dtype": self.dtype_policy}

        act = keras.layers.Activation(self.activation, **named("act"))
        if rank < 4:
            return [keras.layers.Dense(width, **named("dense")), act]
        convolution = keras.layers.SeparableConv2D(
            width,
            3,
            strides=2,
            padding="same",
            use_bias=False,
            data_format="channels_last",
            **named("conv"),
        )
        norm = keras.layers.BatchNormalization(momentum=0.9, **named("norm"))
        return [convolution, norm, act]
