"""A student's maps, each joined with what deeper maps know, in the teacher's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.layers.feature_adapter import resize_map
from keras_kd.registration import register
from keras_kd.validation import positive_int
from keras_kd.validation import size as checked_size


@register
class ReviewFusion(keras.layers.Layer):
    """Reviews: a deep map of the student helps a shallow one to meet the teacher's.

    From the deepest map to the shallowest: a 1×1 convolution with batch
    normalization brings a map to `hidden` channels; what the deeper level handed on
    is resized to it, and two attention maps (1×1 convolution, sigmoid) weigh the two;
    their sum is handed on, and, resized to the teacher's size, goes through a 3×3
    convolution with batch normalization to the teacher's channels.

    Args:
        filters: list of int, the teacher's channels from the shallowest map to the
            deepest.
        sizes: list of the teacher's `(height, width)`, in the same order, None where
            the teacher has a vector. Defaults to None: the student's sizes.
        hidden: int, the channels of what is handed on: 512 in the paper, or as many
            as the student's deepest map has where those are fewer. Defaults to 512.

    Input shape:
        List of `(batch, height, width, channels)` of known sizes, from the
        shallowest map to the deepest. A vector `(batch, channels)`, such as the
        pooled feature before the classifier, is a map of 1 × 1.

    Output shape:
        List of `(batch, *sizes[i], filters[i])`, or `(batch, filters[i])`, in the same
        order.

    Example:

    ```python
    fusion = keras_kd.layers.ReviewFusion([64, 128], hidden=32)
    maps = [keras.random.normal((2, 8, 8, 16)), keras.random.normal((2, 4, 4, 32))]
    [x.shape for x in fusion(maps)]  # (2, 8, 8, 64), (2, 4, 4, 128)
    ```

    Reference:
        Chen, Liu, Zhao, Jia. Distilling Knowledge via Knowledge Review. CVPR 2021.
        https://arxiv.org/abs/2104.09044
    """

    def __init__(
        self,
        filters: Sequence[int],
        sizes: Sequence[Any] | None = None,
        hidden: int = 512,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = [positive_int("filters", n) for n in filters]
        self.sizes = None
        if sizes is not None:
            self.sizes = [s if s is None else checked_size("sizes", s) for s in sizes]
        if self.sizes is not None and len(self.sizes) != len(self.filters):
            raise ValueError(
                "`sizes` must have as many entries as `filters`. Received: "
                f"sizes={sizes}, filters={list(filters)}."
            )
        self.hidden = positive_int("hidden", hidden)
        levels = range(len(self.filters))
        self.reduce = [self._conv(self.hidden, 1, f"reduce_{at}") for at in levels]
        self.reduce_norm = [self._norm(f"reduce_norm_{at}") for at in levels]
        # The deepest map has nothing to be joined with.
        self.attend = [
            self._conv(2, 1, f"attend_{at}", use_bias=True, activation="sigmoid")
            for at in levels[:-1]
        ]
        self.expand = [self._conv(self.filters[n], 3, f"expand_{n}") for n in levels]
        self.expand_norm = [self._norm(f"expand_norm_{at}") for at in levels]

    def build(self, input_shape):
        if len(input_shape) != len(self.filters) or any(
            not isinstance(s, (tuple, list)) or len(s) not in (2, 4) or None in s[1:]
            for s in input_shape
        ):
            raise ValueError(
                f"ReviewFusion takes {len(self.filters)} maps (batch, height, width, "
                "channels) of known sizes, or vectors. Received the shapes "
                f"{[_plain(shape) for shape in input_shape]}."
            )
        for at, shape in enumerate(input_shape):
            size = self._size(at, shape) or (1, 1)
            shape = shape if len(shape) == 4 else (shape[0], 1, 1, shape[1])
            inner = (*shape[:-1], self.hidden)
            wanted = (shape[0], *size, self.hidden)
            self.reduce[at].build(shape)
            self.reduce_norm[at].build(inner)
            if at < len(self.attend):
                self.attend[at].build((*shape[:-1], 2 * self.hidden))
            self.expand[at].build(wanted)
            self.expand_norm[at].build((*wanted[:-1], self.filters[at]))

    def call(self, inputs, training=False):
        outputs: list = []
        deeper = None
        for at in reversed(range(len(self.filters))):
            size = self._size(at, inputs[at].shape)
            x = inputs[at] if len(inputs[at].shape) == 4 else inputs[at][:, None, None]
            x = self.reduce_norm[at](self.reduce[at](x), training=training)
            if deeper is not None:
                deeper = resize_map(deeper, tuple(x.shape[1:3]), "nearest")
                shares = self.attend[at](ops.concatenate([x, deeper], axis=-1))
                x = x * shares[..., :1] + deeper * shares[..., 1:]
            deeper = x
            y = self.expand[at](resize_map(x, size or (1, 1), "nearest"))
            y = self.expand_norm[at](y, training=training)
            outputs.insert(0, y if size else y[:, 0, 0])
        return outputs

    def compute_output_shape(self, input_shape):
        return [
            (shape[0], *(self._size(at, shape) or ()), filters)
            for at, (shape, filters) in enumerate(
                zip(input_shape, self.filters, strict=True)
            )
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "sizes": self.sizes,
            "hidden": self.hidden,
        }

    def _size(self, at, shape):
        """The output's height and width; None for a vector."""
        if self.sizes is not None:
            return self.sizes[at]
        return tuple(shape[1:3]) if len(shape) == 4 else None

    def _conv(self, filters, kernel, name, use_bias=False, activation=None):
        return keras.layers.Conv2D(
            filters,
            kernel,
            padding="same",
            use_bias=use_bias,
            activation=activation,
            data_format="channels_last",
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name):
        return keras.layers.BatchNormalization(dtype=self.dtype_policy, name=name)


def _plain(shape):
    return tuple(shape) if isinstance(shape, (tuple, list)) else shape
