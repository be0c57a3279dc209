"""Data that can only be read in its order: tf.data and Keras's PyDataset."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.data.numbered import Examples, parts, stacked

PROBED = 8
BATCHES = ("_BatchDataset", "_ParallelBatchDataset", "_MapAndBatchDataset")


class StreamExamples(Examples):
    """A dataset numbered in its order, which must be the same in each pass.

    Numbers that go up are read on from where the last were; going back starts a new
    pass. Batches are taken apart.

    Args:
        data: `tf.data.Dataset` of examples or of batches, whose number is known; or
            `keras.utils.PyDataset`, whose items are batches.

    Raises:
        ValueError: where the number of examples is infinite or 0, or the order changes
            from pass to pass.
    """

    any_order = False

    def __init__(self, data: Any):
        self.data = data
        self.singles = _singles(data)
        self.count = _count(data, self.singles)
        self._lock = threading.Lock()
        self._pass: Any = None
        self._next = 0
        first, again = (list(self.singles.take(PROBED)) for _ in range(2))
        if not _equal(first, again):
            raise ValueError(
                "The data must come in the same order in every pass, for examples are "
                "known by their number. Received a dataset whose first examples differ "
                "between two passes: remove its `shuffle` and random maps; "
                "`store.dataset` shuffles, and `augment` makes random views."
            )

    def __call__(self, ids):
        return self.read(ids)[:2]

    def read(self, ids):
        with self._lock:
            return stacked([self._at(int(number)) for number in ids])

    def _at(self, number):
        if self._pass is None or number < self._next:
            self._pass, self._next = self.singles.as_numpy_iterator(), 0
        while True:
            try:
                item = next(self._pass)
            except StopIteration:
                self._pass = None
                raise ValueError(
                    f"The data ended at {self._next} examples; {self.count} were "
                    "counted."
                ) from None
            self._next += 1
            if self._next > number:
                return parts(item)


def _singles(data: Any) -> tf.data.Dataset:
    """The examples one by one, in order."""
    if isinstance(data, keras.utils.PyDataset):
        first = keras.tree.map_structure(np.asarray, _tuple(data[0]))
        spec = keras.tree.map_structure(
            lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), first
        )
        batches = tf.data.Dataset.from_generator(
            lambda: (_tuple(data[number]) for number in range(len(data))),
            output_signature=spec,
        )
        singles = batches.unbatch()
    else:
        singles = data.unbatch() if _is_batched(data) else data
    options = tf.data.Options()
    options.deterministic = True
    return singles.with_options(options)


def _is_batched(data: tf.data.Dataset) -> bool:
    """Whether the elements are batches: all of an open length, or by the last step."""
    shapes = [spec.shape for spec in keras.tree.flatten(data.element_spec)]
    if any(shape.rank == 0 for shape in shapes):
        return False
    return all(shape.rank and shape[0] is None for shape in shapes) or (
        type(data).__name__ in BATCHES
    )


def _count(data: Any, singles: tf.data.Dataset) -> int:
    if isinstance(data, keras.utils.PyDataset):
        sizes = [len(keras.tree.flatten(data[n])[0]) for n in (0, len(data) - 1)]
        return (len(data) - 1) * sizes[0] + sizes[-1]
    count = int(singles.cardinality())
    if count == tf.data.INFINITE_CARDINALITY:
        raise ValueError("The data must end. Received an infinite tf.data.Dataset.")
    if count == tf.data.UNKNOWN_CARDINALITY:
        count = int(singles.reduce(np.int64(0), lambda n, *_: n + 1))
    if not count:
        raise ValueError("The data must have at least 1 example. Received none.")
    return count


def _tuple(item):
    return item if isinstance(item, tuple) else (item,)


def _equal(first, again):
    pairs = zip(keras.tree.flatten(first), keras.tree.flatten(again), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)
