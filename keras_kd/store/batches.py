"""Batches of views as tf.data: one gather in NumPy, then TensorFlow operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.augment import Views
from keras_kd.store.examples import Examples


def view_batches(
    places: tf.data.Dataset,
    examples: Examples,
    views: Views,
    seed: int,
    rows: Callable[[np.ndarray, np.ndarray], Any] | None = None,
    rows_spec: Any = None,
) -> tf.data.Dataset:
    """The views at given places, in their order.

    Args:
        places: dataset of `(ids, view)`: two int64 vectors.
        examples: the data.
        views: how a view is made of an example.
        seed: int, of the views.
        rows: function of ids and views to a structure of arrays that come along, such
            as a store's rows. Defaults to None.
        rows_spec: its result as `keras.KerasTensor`s. Defaults to None.

    Returns:
        Dataset of dicts `{"ids", "x", "y", "rows"}`; `y` and `rows` are missing
        where there are none.
    """

    def gather(ids: np.ndarray, view: np.ndarray) -> dict[str, Any]:
        x, y = examples(ids)
        gathered = {"x": x, "y": y, "drawn": views.draw(ids, view, seed)}
        partners = views.partners(ids, view, seed, examples.count)
        gathered["partner"] = None if partners is None else examples(partners)
        gathered["rows"] = None if rows is None else rows(ids, view)
        return {key: value for key, value in gathered.items() if value is not None}

    spec = _spec(gather, examples, rows_spec)
    types = [tensor.dtype for tensor in keras.tree.flatten(spec)]

    def flat(ids, view):
        return [np.asarray(a) for a in keras.tree.flatten(gather(ids, view))]

    def made(ids, view):
        tensors = tf.numpy_function(flat, (ids, view), types, stateful=False)
        for tensor, seen in zip(tensors, keras.tree.flatten(spec), strict=True):
            tensor.set_shape(seen.shape)
        batch = keras.tree.pack_sequence_as(spec, tensors)
        x, y = views(
            batch["x"], batch.get("y"), batch.get("drawn", ()), batch.get("partner")
        )
        whole = {"ids": ids, "x": x, "y": y, "rows": batch.get("rows")}
        return {key: value for key, value in whole.items() if value is not None}

    return places.map(made, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _spec(gather, examples, rows_spec):
    """The structure of a gathered batch, with its sizes left open."""
    seen = gather(np.zeros(1, "int64"), np.zeros(1, "int64"))

    def opened(array):
        array = np.asarray(array)
        return keras.KerasTensor((None, *array.shape[1:]), array.dtype.name)

    spec = keras.tree.map_structure(opened, seen)
    return spec if rows_spec is None else {**spec, "rows": rows_spec}
