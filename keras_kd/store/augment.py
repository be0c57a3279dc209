"""A random view of each example, made from its number and the view's alone."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store import counter_random

SEEDS, PARTNERS = 1, 2
"""What the numbers are drawn for; each use has a key of its own."""


class Views(abc.ABC):
    """How views are made: numbers drawn in NumPy, then TensorFlow operations."""

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

    def partners(self, ids: np.ndarray, view: np.ndarray, seed: int, count: int) -> Any:
        """The examples to mix these with, int array `(batch,)`; None for none."""
        return None

    @abc.abstractmethod
    def __call__(self, x: Any, y: Any, drawn: Any, partner: Any) -> tuple[Any, Any]:
        """The views, as TensorFlow operations.

        Args:
            x: the examples, a structure of tensors.
            y: their labels, or None.
            drawn: what `draw` gave.
            partner: `(x, y)` of the partners, or None.

        Returns:
            `(x, y)` of the same structures.
        """

    @abc.abstractmethod
    def identity(self) -> Any:
        """What tells these views from others, as JSON takes it."""


class AsTheyAre(Views):
    """No augmentation: each view is the example itself."""

    def draw(self, ids, view, seed):
        return ()

    def __call__(self, x, y, drawn, partner):
        return x, y

    def identity(self):
        return None


class EachByFunction(Views):
    """A function of one example and a seed, for each example by itself.

    Args:
        function: `function(x, seed)`, of an example without a batch axis and an int32
            tensor `(2,)`, made of TensorFlow operations whose randomness is all from
            the seed, such as `tf.image.stateless_random_flip_left_right`.
    """

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, x, y, drawn, partner):
        def kept(tensor):
            return tf.TensorSpec(tensor.shape[1:], tensor.dtype)

        views = tf.map_fn(
            lambda pair: self.function(*pair),
            (x, drawn),
            fn_output_signature=keras.tree.map_structure(kept, x),
        )
        return views, y

    def identity(self):
        return getattr(self.function, "__qualname__", type(self.function).__qualname__)


def as_views(augment: Any) -> Views:
    """What a user passes as `augment`, as `Views`.

    Raises:
        TypeError: for what is neither None, `Views` nor callable.
    """
    if augment is None:
        return AsTheyAre()
    if isinstance(augment, Views):
        return augment
    if callable(augment):
        return EachByFunction(augment)
    raise TypeError(
        "`augment` must be None, Views or a function augment(x, seed). "
        f"Received: {augment!r}."
    )
