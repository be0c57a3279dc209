"""Rows out of arrays, laid where TensorFlow takes them over without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

ALIGNED = 64
SMALL = 16 * 1024
"""Bytes of a batch below which a copy costs less than the alignment."""


def rows_of(array: np.ndarray, ids: Any) -> np.ndarray:
    """`array[ids]`; a large result begins at a multiple of 64 bytes.

    TensorFlow takes such an array as it is out of a `tf.numpy_function`, and copies
    others.

    Args:
        array: array `(rows, …)`, in memory or mapped.
        ids: int array `(batch,)`, each from 0 to rows − 1.

    Returns:
        Array `(batch, …)`.

    Raises:
        IndexError: for numbers outside of the rows.
    """
    ids = np.asarray(ids)
    if array.dtype.hasobject or array[:1].nbytes * len(ids) < SMALL:
        return array.take(ids, axis=0)
    # "clip" writes straight into `out`; so what "raise" checks is checked here.
    if ids.min() < 0 or ids.max() >= len(array):
        raise IndexError(
            f"Rows from 0 to {len(array) - 1} are there. "
            f"Received numbers from {ids.min()} to {ids.max()}."
        )
    whole = aligned((len(ids), *array.shape[1:]), array.dtype)
    return array.take(ids, axis=0, out=whole, mode="clip")


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array as `np.empty` makes it, at a multiple of 64 bytes."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    memory = np.empty(size + ALIGNED, "uint8")
    first = -memory.__array_interface__["data"][0] % ALIGNED
    return np.ndarray(shape, dtype, memory, first)
