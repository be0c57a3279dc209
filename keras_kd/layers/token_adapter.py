"""Between the two geometries: a feature map ↔ a sequence of tokens."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.layers.feature_adapter import resize_map
from keras_kd.registration import register
from keras_kd.validation import one_of, positive_int
from keras_kd.validation import size as checked_size

TARGETS = ("tokens", "map")


@register
class TokenAdapter(keras.layers.Layer):
    """Turns a CNN's map into a transformer's tokens, or tokens into a map.

    To tokens: the map is resized to the grid `size`, read row by row, and
    projected to `units`; with `class_token`, the mean of the tokens stands first.
    To a map: the class token, if any, is left out, the others are laid on their
    square grid, projected to `units` and resized to `size`.

    Args:
        units: int, the teacher's width or channels.
        to: `"tokens"` or `"map"`.
        size: `(height, width)` of the token grid or of the map, or None to keep
            what comes. Defaults to None.
        class_token: bool. Whether the token side begins with a class token.
            Defaults to False.

    Input shape:
        `(batch, height, width, channels)` for `to="tokens"`;
        `(batch, tokens, features)` for `to="map"`, where the tokens without the
        class token are a square number.

    Output shape:
        `(batch, height · width [+ 1], units)` or `(batch, height, width, units)`.

    Example:

    ```python
    adapter = TokenAdapter(192, to="tokens", size=(14, 14), class_token=True)
    adapter(keras.random.normal((2, 28, 28, 64))).shape  # (2, 197, 192)
    ```

    Reference:
        Liu et al. Cross-Architecture Knowledge Distillation. ACCV 2022.
        https://arxiv.org/abs/2207.05273
    """

    def __init__(
        self,
        units: int,
        to: str,
        size: int | tuple[int, int] | None = None,
        class_token: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.to = one_of("to", to, TARGETS)
        self.size = None if size is None else checked_size("size", size)
        self.class_token = bool(class_token)
        self.dense = keras.layers.Dense(
            self.units, dtype=self.dtype_policy, name="dense"
        )
        self.supports_masking = True

    def build(self, input_shape):
        rank = {"tokens": 4, "map": 3}[self.to]
        if len(input_shape) != rank or None in input_shape[1:]:
            wanted = {
                "tokens": "a map (batch, height, width, channels)",
                "map": "tokens (batch, tokens, features)",
            }[self.to]
            raise ValueError(
                f"TokenAdapter(to={self.to!r}) takes {wanted} of known size. "
                f"Received the shape {tuple(input_shape)}."
            )
        self._output_grid(input_shape)
        self.dense.build(input_shape)

    def call(self, inputs):
        if self.to == "tokens":
            return self._to_tokens(inputs)
        return self._to_map(inputs)

    def compute_output_shape(self, input_shape):
        height, width = self._output_grid(input_shape)
        if self.to == "map":
            return (input_shape[0], height, width, self.units)
        return (input_shape[0], height * width + self.class_token, self.units)

    def compute_mask(self, inputs, previous_mask):
        """None: a grid has no padding."""
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "to": self.to,
            "size": self.size,
            "class_token": self.class_token,
        }

    def _output_grid(self, input_shape):
        if self.to == "tokens":
            return self.size or tuple(input_shape[1:3])
        grid = square_grid(input_shape[1] - self.class_token)
        if grid is None:
            raise ValueError(
                f"{input_shape[1]} tokens with class_token={self.class_token} are "
                "no square grid, so they cannot become a map."
            )
        return self.size or grid

    def _to_tokens(self, x):
        height, width = self._output_grid(x.shape)
        x = resize_map(x, (height, width))
        x = self.dense(ops.reshape(x, (-1, height * width, x.shape[-1])))
        if self.class_token:
            x = ops.concatenate([ops.mean(x, axis=1, keepdims=True), x], axis=1)
        return x

    def _to_map(self, x):
        x = x[:, 1:] if self.class_token else x
        side = math.isqrt(x.shape[1])
        x = ops.reshape(self.dense(x), (-1, side, side, self.units))
        return resize_map(x, self.size)


def square_grid(tokens: int) -> tuple[int, int] | None:
    """`(side, side)` for a square number of tokens, else None."""
    side = math.isqrt(max(tokens, 0))
    return (side, side) if side and side * side == tokens else None
