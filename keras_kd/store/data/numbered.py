"""Examples by their number: the base, arrays, and objects with items."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_kd.store.rows.gathering import rows_of


class Examples(abc.ABC):
    """Examples with numbers from 0 on.

    A subclass gives `count` and `__call__`, and `read` where it has weights.
    """

    count: int

    any_order = True
    """Whether reading in any order costs as little as reading in theirs."""

    @abc.abstractmethod
    def __call__(self, ids: np.ndarray) -> tuple[Any, Any]:
        """Examples by number.

        Args:
            ids: int array `(batch,)`.

        Returns:
            `(x, y)`: structures of arrays whose first axis is the batch's; `y` is
            None where there are no labels.
        """

    def read(self, ids: np.ndarray) -> tuple[Any, Any, Any]:
        """`(x, y, sample_weight)`; the weights are None where there are none."""
        return (*self(ids), None)

    def spec(self) -> tuple[Any, Any]:
        """`(x, y)` as structures of `keras.KerasTensor` with an open batch axis."""
        x, y = self(np.zeros(1, "int64"))

        def opened(array):
            return keras.KerasTensor((None, *array.shape[1:]), array.dtype.name)

        return keras.tree.map_structure(opened, x), (
            None if y is None else keras.tree.map_structure(opened, y)
        )


class ArrayExamples(Examples):
    """Arrays in memory, mapped from a file, or read by slices as h5py's.

    Args:
        x: array, or a structure of arrays, of one length.
        y: the labels likewise, or None. Defaults to None.
        sample_weight: array of that length, or None. Defaults to None.

    Raises:
        ValueError: where the lengths differ, or there are no examples.

    Example:

    ```python
    examples = ArrayExamples(images, labels)
    x, y = examples(np.array([3, 1, 2]))
    ```
    """

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None):
        self.x, self.y, self.sample_weight = (
            None if part is None else keras.tree.map_structure(_indexable, part)
            for part in (x, y, sample_weight)
        )
        parts = keras.tree.flatten((self.x, self.y, self.sample_weight))
        lengths = [len(array) for array in parts if array is not None]
        if not lengths or len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(
                "The data must be arrays of one length, at least 1. "
                f"Received the lengths {lengths}."
            )
        self.count = lengths[0]

    def __call__(self, ids):
        return self.read(ids)[:2]

    def read(self, ids):
        x, y, weights = (
            None if part is None else keras.tree.map_structure(
                lambda array: _taken(array, ids), part
            )
            for part in (self.x, self.y, self.sample_weight)
        )  # fmt: skip
        return x, y, weights


class ItemExamples(Examples):
    """Any object with a length whose items are `x`, `(x, y)` or `(x, y, weight)`.

    Args:
        items: object with `__len__` and `__getitem__`; each item is one example,
            without a batch axis, and the same one each time.

    Raises:
        ValueError: where there are no items.
    """

    def __init__(self, items: Any):
        self.items, self.count = items, len(items)
        if not self.count:
            raise ValueError("The data must have at least 1 example. Received none.")

    def __call__(self, ids):
        return self.read(ids)[:2]

    def read(self, ids):
        return stacked([parts(self.items[int(number)]) for number in ids])


def parts(item: Any) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` of an item; what is missing is None."""
    if not isinstance(item, tuple) or not 1 <= len(item) <= 3:
        return item, None, None
    return (*item, None, None)[:3]


def stacked(items: Sequence[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    """Examples, each `(x, y, sample_weight)`, as one batch of arrays."""
    x, y, weights = (
        None
        if part[0] is None
        else keras.tree.map_structure(lambda *a: np.stack(a), *part)
        for part in zip(*items, strict=True)
    )
    return x, y, weights


def is_sliced(data):
    """Whether it gives arrays by slices, as h5py's and zarr's do."""
    return all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__"))


def _indexable(array):
    if isinstance(array, np.ndarray):
        return array.view(np.ndarray)  # a memmap's rows, without its checks
    if hasattr(array, "__array__") and not _is_lazy(array):
        return np.asarray(array)
    return array if is_sliced(array) else np.asarray(array)


def _is_lazy(array):
    """Whether the array is in a file, to be read by rows."""
    return is_sliced(array) and not keras.ops.is_tensor(array) and hasattr(
        array, "chunks"
    )  # fmt: skip


def _taken(array, ids):
    if isinstance(array, np.ndarray):
        return rows_of(array, ids)
    # Files give rows in their order, each once.
    unique, places = np.unique(ids, return_inverse=True)
    return np.asarray(array[unique])[places]
