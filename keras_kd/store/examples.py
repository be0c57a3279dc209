"""The data that a teacher labels, by the number of each example."""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np


class Examples(abc.ABC):
    """Examples with numbers from 0 on, read in any order.

    A subclass gives `count` and `__call__`; one that can only be read in order gives
    `in_order` in its place.
    """

    count: int

    @abc.abstractmethod
    def __call__(self, ids: np.ndarray) -> tuple[Any, Any]:
        """Examples by number.

        Args:
            ids: int array `(batch,)`.

        Returns:
            `(x, y)`: structures of arrays whose first axis is the batch's; `y` is
            None where there are no labels.
        """

    def spec(self) -> tuple[Any, Any]:
        """`(x, y)` as structures of `keras.KerasTensor` with an open batch axis."""
        x, y = self(np.zeros(1, "int64"))

        def opened(array):
            return keras.KerasTensor((None, *array.shape[1:]), array.dtype.name)

        return keras.tree.map_structure(opened, x), (
            None if y is None else keras.tree.map_structure(opened, y)
        )


class ArrayExamples(Examples):
    """Arrays in memory or mapped from a file.

    Args:
        x: array, or a structure of arrays, of one length.
        y: the labels likewise, or None. Defaults to None.

    Raises:
        ValueError: where the lengths differ, or there are no examples.
    """

    def __init__(self, x: Any, y: Any = None):
        self.x = keras.tree.map_structure(_indexable, x)
        self.y = None if y is None else keras.tree.map_structure(_indexable, y)
        lengths = [len(array) for array in keras.tree.flatten((self.x, self.y))
                   if array is not None]  # fmt: skip
        if not lengths or len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(
                "The data must be arrays of one length, at least 1. "
                f"Received the lengths {lengths}."
            )
        self.count = lengths[0]

    def __call__(self, ids):
        def taken(array):
            return array[ids]

        x = keras.tree.map_structure(taken, self.x)
        return x, None if self.y is None else keras.tree.map_structure(taken, self.y)


def as_examples(data: Any) -> Examples:
    """Data as people have it: `x`, `(x, y)`, or `Examples`.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(data, Examples):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        return ArrayExamples(*data)
    if isinstance(data, (np.ndarray, dict)):
        return ArrayExamples(data)
    raise TypeError(
        "`data` must be an array, a pair (x, y) of arrays, or Examples. "
        f"Received: {type(data).__name__}."
    )


def _indexable(array):
    return array if isinstance(array, np.ndarray) else np.asarray(array)
