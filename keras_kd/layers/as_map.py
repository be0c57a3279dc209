"""Maps, tokens and vectors as maps, so that layers of any kind can meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_kd.layers.token_adapter import square_grid


def map_shape(shape: Sequence[Any]) -> tuple | None:
    """The shape `(batch, height, width, channels)` that `as_map` makes.

    Args:
        shape: of a map, of tokens or of a vector, batch included.

    Returns:
        Tuple of four; None for anything else, and for unknown sizes.
    """
    batch, *own = shape
    if len(own) in (1, 2, 3) and None not in own:
        if len(own) == 1:
            return (batch, 1, 1, own[0])
        if len(own) == 3:
            return tuple(shape)
        grid = square_grid(own[0]) or square_grid(own[0] - 1)
        if grid is not None:
            return (batch, *grid, own[1])
    return None


def as_map(x: Any) -> Any:
    """A feature as a map; a class token is left out, a vector is a map of 1 × 1.

    Args:
        x: tensor `(batch, height, width, channels)`, `(batch, tokens, channels)` or
            `(batch, channels)`, of a shape that `map_shape` knows.

    Returns:
        Tensor `(batch, height, width, channels)`.
    """
    if len(x.shape) == 4:
        return x
    if len(x.shape) == 3 and square_grid(x.shape[1]) is None:
        x = x[:, 1:]
    shape: Any = map_shape(x.shape)
    return ops.reshape(x, (-1, *shape[1:]))
