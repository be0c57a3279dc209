"""The teacher's map, regenerated from a masked map of the student."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.layers.feature_adapter import resize_map
from keras_kd.registration import register
from keras_kd.validation import number, positive_int
from keras_kd.validation import size as checked_size


@register
class MaskedGenerator(keras.layers.Layer):
    """Hides random positions of a student's map and regenerates the teacher's.

    A 1×1 convolution to the teacher's channels, a mask over positions that all
    channels share, then 3×3 convolution, ReLU, 3×3 convolution. Nothing is hidden
    in inference.

    Args:
        filters: int, the teacher's channels.
        size: `(height, width)` to which the map is resized after the 1×1
            convolution, or None to keep the student's. Defaults to None.
        keep: float in (0, 1], how many of the positions the mask keeps on average:
            one minus the paper's λ. Defaults to 0.35.
        seed: int, of the masks. Defaults to None: another one each time.

    Input shape:
        `(batch, height, width, channels)`, channels last.

    Output shape:
        `(batch, size[0], size[1], filters)`, in the layer's compute dtype.

    Example:

    ```python
    generator = keras_kd.layers.MaskedGenerator(64)
    maps = keras.random.normal((2, 8, 8, 24))
    generator(maps, training=True).shape  # (2, 8, 8, 64)
    ```

    Reference:
        Yang, Li, Shao, Shi, Yuan, Yuan. Masked Generative Distillation. ECCV 2022.
        https://arxiv.org/abs/2205.01529
    """

    def __init__(
        self,
        filters: int,
        size: int | tuple[int, int] | None = None,
        keep: float = 0.35,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.size = None if size is None else checked_size("size", size)
        self.keep = number("keep", keep, minimum=0.0, inclusive=False)
        if self.keep > 1.0:
            raise ValueError(f"`keep` must be at most 1. Received: keep={keep!r}.")
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        common = {"data_format": "channels_last", "dtype": self.dtype_policy}
        self.align = keras.layers.Conv2D(self.filters, 1, name="align", **common)
        self.first = keras.layers.Conv2D(
            self.filters, 3, padding="same", activation="relu", name="first", **common
        )
        self.second = keras.layers.Conv2D(
            self.filters, 3, padding="same", name="second", **common
        )

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "MaskedGenerator takes a map (batch, height, width, channels) of known "
                f"channels. Received the shape {tuple(input_shape)}."
            )
        self.align.build(input_shape)
        for conv in (self.first, self.second):
            conv.build((*input_shape[:-1], self.filters))

    def call(self, inputs, training=False):
        x = resize_map(self.align(inputs), self.size)
        if training:
            batch, height, width = ops.shape(x)[:3]
            draws = keras.random.uniform(
                (batch, height, width, 1), dtype="float32", seed=self.seed_generator
            )
            x = x * ops.cast(draws < self.keep, x.dtype)
        return self.second(self.first(x))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(self.size or input_shape[1:3]), self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "size": self.size,
            "keep": self.keep,
            "seed": self.seed,
        }
