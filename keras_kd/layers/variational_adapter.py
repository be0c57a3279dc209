"""What a student's feature says of the teacher's: a mean, and a scale per channel."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.layers.feature_adapter import resize_map
from keras_kd.registration import register
from keras_kd.validation import number, positive_int
from keras_kd.validation import size as checked_size

LEAST_VARIANCE = 1e-5


@register
class VariationalAdapter(keras.layers.Layer):
    """A Gaussian over the teacher's feature, given the student's.

    The mean comes from a network of three 1×1 convolutions, the first two with batch
    normalization and ReLU; the variance of a channel is `softplus(scale) + 1e-5`,
    and `scale` is a weight that is trained with them. For maps, sequences and
    vectors: `losses.VariationalInformation` takes what comes of it.

    Args:
        units: int, the teacher's channels.
        hidden: int, the channels between. Defaults to None: `units`.
        size: `(height, width)` to which a map is resized before the network, or
            None to keep the student's. Defaults to None.
        normalize: bool. Batch normalization; a copy of the authors' code that is
            widely used goes without. Defaults to True.
        initial_variance: float above 1e-5, of each channel. Defaults to 5.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        `[(batch, ..., units), (batch, units)]`: the mean, and the scale, which is the
        same for each example.

    Example:

    ```python
    adapter = keras_kd.layers.VariationalAdapter(64)
    mean, scale = adapter(keras.random.normal((2, 8, 8, 24)))
    mean.shape, scale.shape  # (2, 8, 8, 64), (2, 64)
    ```

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai. Variational Information Distillation for
        Knowledge Transfer. CVPR 2019. https://arxiv.org/abs/1904.05835
    """

    def __init__(
        self,
        units: int,
        hidden: int | None = None,
        size: int | tuple[int, int] | None = None,
        normalize: bool = True,
        initial_variance: float = 5.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.hidden = None if hidden is None else positive_int("hidden", hidden)
        self.size = None if size is None else checked_size("size", size)
        self.normalize = bool(normalize)
        self.initial_variance = number(
            "initial_variance",
            initial_variance,
            minimum=LEAST_VARIANCE,
            inclusive=False,
        )
        width, dtype = self.hidden or self.units, self.dtype_policy
        # A dense layer over the last axis is a 1×1 convolution, whatever the rank.
        self.projections = [
            keras.layers.Dense(n, use_bias=False, dtype=dtype, name=f"projection_{at}")
            for at, n in enumerate([width, width, self.units])
        ]
        self.norms = [
            keras.layers.BatchNormalization(dtype=dtype, name=f"norm_{at}")
            for at in range(2 if self.normalize else 0)
        ]

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "VariationalAdapter takes a feature (batch, ..., channels) of known "
                f"channels. Received the shape {tuple(input_shape)}."
            )
        if self.size is not None and len(input_shape) != 4:
            raise ValueError(
                "VariationalAdapter with a `size` takes a map (batch, height, width, "
                f"channels). Received the shape {tuple(input_shape)}."
            )
        shape = input_shape
        for projection in self.projections:
            projection.build(shape)
            shape = (*shape[:-1], projection.units)
        for norm in self.norms:
            norm.build((*input_shape[:-1], self.hidden or self.units))
        start = math.log(math.expm1(self.initial_variance - LEAST_VARIANCE))
        self.scale = self.add_weight(
            name="scale",
            shape=(self.units,),
            initializer=keras.initializers.Constant(start),
        )

    def call(self, inputs, training=False):
        x = resize_map(inputs, self.size)
        for at, projection in enumerate(self.projections[:-1]):
            x = projection(x)
            if self.normalize:
                x = self.norms[at](x, training=training)
            x = ops.relu(x)
        mean = self.projections[-1](x)
        scale = ops.broadcast_to(self.scale, (ops.shape(inputs)[0], self.units))
        return [mean, ops.cast(scale, mean.dtype)]

    def compute_output_shape(self, input_shape):
        inner = input_shape[1:-1] if self.size is None else self.size
        return [(input_shape[0], *inner, self.units), (input_shape[0], self.units)]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "size": self.size,
            "normalize": self.normalize,
            "initial_variance": self.initial_variance,
        }
