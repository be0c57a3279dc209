"""A feature map into the teacher's space: 1×1 conv [+ BN] [+ activation] [+ resize]."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.pooling import adaptive_average
from keras_kd.registration import register
from keras_kd.validation import one_of, positive_int
from keras_kd.validation import size as checked_size

RESIZES = ("auto", "pool", "bilinear", "nearest")


@register
class FeatureAdapter(keras.layers.Layer):
    """Brings a student's feature map to the teacher's channels and size.

    A 1×1 convolution, then, as asked for, batch normalization, an activation and a
    resize: the regressor that FitNets trains beside the student. It learns with
    the student and stays behind at export.

    Args:
        filters: int, the teacher's channels.
        size: `(height, width)` of the teacher's map, or None to keep the
            student's. Defaults to None.
        normalize: bool. Batch normalization after the convolution, which then
            has no bias. Defaults to True.
        activation: name or function, or None. Keep `"relu"` only where the
            teacher's feature is never negative. Defaults to `"relu"`.
        resize: `"pool"` (adaptive average pooling, for a smaller map),
            `"bilinear"`, `"nearest"`, or `"auto"`: pooling where neither side
            grows, bilinear otherwise. Defaults to `"auto"`.

    Input shape:
        `(batch, height, width, channels)`, channels last.

    Output shape:
        `(batch, size[0], size[1], filters)`, in the layer's compute dtype.

    Example:

    ```python
    adapter = keras_kd.layers.FeatureAdapter(64, size=(8, 8))
    adapter(keras.random.normal((2, 16, 16, 24))).shape  # (2, 8, 8, 64)
    ```

    Reference:
        Romero et al. FitNets: Hints for Thin Deep Nets. ICLR 2015.
        https://arxiv.org/abs/1412.6550
    """

    def __init__(
        self,
        filters: int,
        size: int | tuple[int, int] | None = None,
        normalize: bool = True,
        activation: Any = "relu",
        resize: str = "auto",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.size = None if size is None else checked_size("size", size)
        self.normalize = bool(normalize)
        self.activation = keras.activations.get(activation)
        self.resize = one_of("resize", resize, RESIZES)
        self.conv = keras.layers.Conv2D(
            self.filters,
            1,
            use_bias=not self.normalize,
            data_format="channels_last",
            dtype=self.dtype_policy,
            name="conv",
        )
        self.norm = (
            keras.layers.BatchNormalization(dtype=self.dtype_policy, name="norm")
            if self.normalize
            else None
        )

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "FeatureAdapter takes a map (batch, height, width, channels) of "
                f"known channels. Received the shape {tuple(input_shape)}."
            )
        if self.resize == "pool" and self.size and None in input_shape[1:3]:
            raise ValueError(
                "`resize='pool'` takes a map of known height and width. Received "
                f"the shape {tuple(input_shape)}. Use 'bilinear', 'nearest' or 'auto'."
            )
        if self.resize == "pool" and self._grows(input_shape):
            raise ValueError(
                f"`resize='pool'` cannot enlarge {tuple(input_shape[1:3])} to "
                f"{self.size}. Use 'bilinear', 'nearest' or 'auto'."
            )
        self.conv.build(input_shape)
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.filters))

    def call(self, inputs, training=False):
        x = self.conv(inputs)
        if self.norm is not None:
            x = self.norm(x, training=training)
        x = self.activation(x)
        return resize_map(x, self.size, self.resize)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(self.size or input_shape[1:3]), self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "size": self.size,
            "normalize": self.normalize,
            "activation": keras.activations.serialize(self.activation),
            "resize": self.resize,
        }

    def _grows(self, input_shape):
        return self.size is not None and grows(input_shape[1:3], self.size)


def grows(old: tuple, new: tuple[int, int]) -> bool:
    """Whether a known side of a map `old` is shorter than that of `new`."""
    return any(o is not None and o < n for o, n in zip(old, new, strict=True))


def resize_map(x: Any, size: tuple[int, int] | None, resize: str = "auto") -> Any:
    """A channels-last map at another height and width.

    Args:
        x: tensor `(batch, height, width, channels)`.
        size: `(height, width)`; None keeps the map as it is.
        resize: as in `FeatureAdapter`.

    Returns:
        Tensor `(batch, size[0], size[1], channels)` of the same dtype.
    """
    if size is None or tuple(x.shape[1:3]) == tuple(size):
        return x
    if resize == "auto":
        known = None not in x.shape[1:3]
        resize = "pool" if known and not grows(x.shape[1:3], size) else "bilinear"
    if resize == "pool":
        return adaptive_average(x, size)
    resized = keras.ops.image.resize(
        x, size, interpolation=resize, data_format="channels_last"
    )
    return keras.ops.cast(resized, x.dtype)
