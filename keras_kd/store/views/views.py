"""A random view of each example, made from its number and the view's alone.

    view = apply(example, draw(seed, use, id, view))

The draws are NumPy's (`counter_random`), so that they are equal on every machine and
in any batch; TensorFlow only applies them.
"""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np

from keras_kd.store.views import counter_random

SEEDS, PARTNERS, ORDER, AUGMENTATION, MIXING = 1, 2, 3, 4, 5
"""What numbers are drawn for; each use has a key of its own."""


class Views(abc.ABC):
    """How views are made: numbers drawn in NumPy, then TensorFlow operations.

    A subclass gives `__call__` and `identity`, and `draw` where its numbers are others
    than a seed for each example.
    """

    trusted = False
    """Whether equal draws are known to give equal views; others are tried first."""

    tried = False
    """Whether they have been."""

    mixes = False
    """Whether an example is mixed with a partner, which is read with it."""

    def draw(self, ids: np.ndarray, view: np.ndarray, seed: int) -> Any:
        """The random numbers of these examples in this view.

        Args:
            ids: int array `(batch,)`.
            view: int array `(batch,)`.
            seed: int, the store's.

        Returns:
            Structure of arrays whose first axis is the batch's.
        """
        return counter_random.seeds(seed, SEEDS, ids, view)

    def partners(
        self, ids: np.ndarray, view: np.ndarray, seed: int, count: int
    ) -> np.ndarray:
        """The examples to mix these with: any of all `count`, equally likely.

        Returns:
            int array `(batch,)`.
        """
        drawn = counter_random.uniform(seed, PARTNERS, ids, view)
        return (drawn * count).astype("int64")

    @abc.abstractmethod
    def __call__(self, x: Any, y: Any, drawn: Any, partner: Any) -> tuple[Any, Any]:
        """The views, as TensorFlow operations.

        Args:
            x: the examples, a structure of tensors `(batch, …)`.
            y: their labels, or None.
            drawn: what `draw` gave.
            partner: where the views mix, `(x, y, drawn)` of the partners; else None.

        Returns:
            `(x, y)`.
        """

    @abc.abstractmethod
    def identity(self) -> Any:
        """What tells these views from others, as JSON takes it."""


class AsTheyAre(Views):
    """No augmentation: each view is the example itself."""

    trusted = True

    def draw(self, ids, view, seed):
        return ()

    def __call__(self, x, y, drawn, partner):
        return x, y

    def identity(self):
        return None


def each_image(function: Any, x: Any, name: str) -> Any:
    """`function` of each tensor of `x` that is a batch of images; the rest as it is.

    Args:
        function: of a tensor `(batch, height, width, channels)`.
        x: structure of tensors.
        name: str, who asks.

    Raises:
        ValueError: where there are no images.
    """
    tensors = keras.tree.flatten(x)
    if not any(len(tensor.shape) == 4 for tensor in tensors):
        raise ValueError(
            f"{name} takes images (height, width, channels). Received examples of "
            f"the shapes {[tuple(tensor.shape[1:]) for tensor in tensors]}: pass a "
            "function augment(x, seed) for other data."
        )
    return keras.tree.map_structure(
        lambda tensor: function(tensor) if len(tensor.shape) == 4 else tensor, x
    )
