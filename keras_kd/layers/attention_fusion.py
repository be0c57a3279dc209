"""Between any two geometries: each position of the teacher looks where it likes.

    y_p = W_o Σ_n softmax_n(q_p · k_n / √d) v_n

q_p is learned, one for each position of the teacher; k_n and v_n come from all
positions of the student's features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class AttentionFusion(keras.layers.Layer):
    """One or several student features, fused into the shape of a teacher's.

    Each position of the teacher's feature has a query of its own, which attends to
    every position of every feature of the student: a token may draw on an edge in a
    low map and on a shape in a high one. So maps meet tokens (any number of them, a
    class token included) and vectors, with no grid in common.

    A dense layer with a layer norm brings each feature to `hidden` channels, where a
    learned embedding tells its positions apart; then comes multi-head attention
    without biases.

    Args:
        units: int, the teacher's channels.
        positions: tuple, the teacher's shape without batch and channels:
            `(height, width)` of a map, `(tokens,)`, or `()` for a vector.
        levels: int, how many features come in. Defaults to 1.
        hidden: int, a multiple of `heads`. Defaults to 64.
        heads: int. Defaults to 4.

    Input shape:
        A map `(batch, height, width, channels)`, tokens `(batch, tokens, channels)`
        or a vector `(batch, channels)`, of known size; a list of them with `levels`
        above 1.

    Output shape:
        `(batch, *positions, units)`.

    Example:

    ```python
    fusion = keras_kd.layers.AttentionFusion(192, positions=(17,), levels=2)
    maps = [keras.random.normal((2, 8, 8, 16)), keras.random.normal((2, 4, 4, 32))]
    fusion(maps).shape  # (2, 17, 192)
    ```

    Reference:
        Liu et al. Cross-Architecture Knowledge Distillation. ACCV 2022.
        https://arxiv.org/abs/2207.05273. There attention within the student is
        compared with the teacher's own. Learned queries, with nothing asked of the
        teacher, are those of Jaegle et al. Perceiver IO. ICLR 2022.
        https://arxiv.org/abs/2107.14795
    """

    def __init__(
        self,
        units: int,
        positions: Sequence[int],
        levels: int = 1,
        hidden: int = 64,
        heads: int = 4,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.positions = tuple(positive_int("positions", n) for n in positions)
        self.levels = positive_int("levels", levels)
        self.hidden = positive_int("hidden", hidden)
        self.heads = positive_int("heads", heads)
        if self.hidden % self.heads:
            raise ValueError(
                "`hidden` must be a multiple of `heads`. Received: "
                f"hidden={hidden}, heads={heads}."
            )
        dtype = self.dtype_policy
        self.projections = [
            keras.layers.Dense(self.hidden, dtype=dtype, name=f"projection_{at}")
            for at in range(self.levels)
        ]
        self.norms = [
            keras.layers.LayerNormalization(dtype=dtype, name=f"norm_{at}")
            for at in range(self.levels)
        ]
        self.attention = keras.layers.MultiHeadAttention(
            self.heads,
            self.hidden // self.heads,
            use_bias=False,
            output_shape=self.units,
            dtype=dtype,
            name="attention",
        )

    def build(self, input_shape):
        shapes = self._shapes(input_shape)
        self.embeddings = []
        for at, shape in enumerate(shapes):
            count = math.prod(shape[1:-1])
            self.projections[at].build(shape)
            self.norms[at].build((shape[0], count, self.hidden))
            self.embeddings.append(self._embedding(f"places_{at}", count))
        asked = math.prod(self.positions)
        self.asked = self._embedding("queries", asked)
        inside = sum(math.prod(shape[1:-1]) for shape in shapes)
        self.attention.build((None, asked, self.hidden), (None, inside, self.hidden))

    def call(self, inputs):
        asked, keys = self._sides(inputs)
        return ops.reshape(
            self.attention(asked, keys), (-1, *self.positions, self.units)
        )

    def weights_of(self, inputs: Any) -> Any:
        """Where each position looks, averaged over the heads.

        Args:
            inputs: as in a call.

        Returns:
            Tensor `(batch, positions, places)`, each row of which sums to one: the
            places of the first feature, row by row, then those of the next.
        """
        _, weights = self.attention(*self._sides(inputs), return_attention_scores=True)
        return ops.mean(weights, axis=1)

    def _sides(self, inputs):
        """What is asked, and what is looked at: both `(batch, positions, hidden)`."""
        features = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        seen = []
        parts = zip(
            features, self.projections, self.norms, self.embeddings, strict=True
        )
        for x, projection, norm, places in parts:
            x = ops.reshape(x, (-1, math.prod(x.shape[1:-1]), x.shape[-1]))
            seen.append(norm(projection(x)) + ops.cast(places, self.compute_dtype))
        keys = ops.concatenate(seen, axis=1)
        asked = ops.cast(self.asked, self.compute_dtype)[None]
        asked = ops.broadcast_to(asked, (ops.shape(keys)[0], *asked.shape[1:]))
        return asked, keys

    def compute_output_shape(self, input_shape):
        return (self._shapes(input_shape)[0][0], *self.positions, self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "positions": self.positions,
            "levels": self.levels,
            "hidden": self.hidden,
            "heads": self.heads,
        }

    def _embedding(self, name, count):
        return self.add_weight(
            name=name, shape=(count, self.hidden), initializer="glorot_uniform"
        )

    def _shapes(self, shape):
        """The features' shapes; refused where they are not what was said."""
        several = all(isinstance(part, (list, tuple)) for part in shape)
        shapes = [tuple(part) for part in (shape if several else [shape])]
        known = all(len(s) in (2, 3, 4) and None not in s[1:] for s in shapes)
        if not known or len(shapes) != self.levels:
            raise ValueError(
                f"AttentionFusion takes {self.levels} feature(s) of known size: maps "
                "(batch, height, width, channels), tokens (batch, tokens, channels) or "
                "vectors. Received the shape(s) "
                f"{shapes if several else tuple(shape)}."
            )
        return shapes
