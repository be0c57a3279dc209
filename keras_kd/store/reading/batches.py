"""Batches of views as tf.data: one gather in NumPy, then TensorFlow operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.data.numbered import Examples
from keras_kd.store.views.views import Views

TRIED = 2
"""How many examples are made twice, to see whether views can be made again."""


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
        places: dataset of `(ids, view)`, two int64 vectors; or of dicts `{"ids",
            "view", "x", "y", "weight"}` of examples that are read already.
        examples: the data.
        views: how a view is made of an example.
        seed: int, of the views.
        rows: function of ids and views to a structure of arrays that come along, such
            as a store's rows. Defaults to None.
        rows_spec: its result as `keras.KerasTensor`s. Defaults to None.

    Returns:
        Dataset of dicts `{"ids", "x", "y", "weight", "rows"}`, without what is not
        there.

    Raises:
        ValueError: where the views mix examples that come in one order only, or are
            not the same when they are made again.
    """
    if views.mixes and not examples.any_order:
        raise ValueError(
            f"{type(views).__name__} reads a partner of each example from anywhere in "
            "the data. Received data that are read in their order: pass arrays, or an "
            "object with a length and items."
        )
    if not (views.trusted or views.tried):
        _try(examples, views, seed)
        views.tried = True
    return _batches(places, examples, views, seed, rows, rows_spec)


def views_spec(examples: Examples, views: Views, seed: int = 0) -> Any:
    """The `x` of the views as `keras.KerasTensor`s with an open batch axis.

    An augmentation may change the shape and the dtype of the examples.
    """
    vector = np.zeros(1, "int64")
    places = tf.data.Dataset.from_tensors((vector, vector))
    made = view_batches(places, examples, views, seed).element_spec["x"]
    return keras.tree.map_structure(
        lambda spec: keras.KerasTensor((None, *spec.shape[1:]), spec.dtype.name), made
    )


def _batches(places, examples, views, seed, rows=None, rows_spec=None):
    def read(ids, view):
        x, y, weight = examples.read(ids)
        return _there({"x": x, "y": y, "weight": weight})

    def drawn(ids, view):
        batch = {"drawn": views.draw(ids, view, seed)}
        if views.mixes:
            others = views.partners(ids, view, seed, examples.count)
            x, y, weight = examples.read(others)
            batch["other"] = {
                **_there({"x": x, "y": y, "weight": weight}),
                "drawn": views.draw(others, view, seed),
            }
        return batch if rows is None else {**batch, "rows": rows(ids, view)}

    def both(ids, view):
        return {**read(ids, view), **drawn(ids, view)}

    def through(function, ids, view):
        """`function` of arrays, within a graph; its floats as the spec has them."""
        spec, types = specs[function]

        def flat(ids, view):
            return [np.asarray(a) for a in keras.tree.flatten(function(ids, view))]

        tensors = tf.numpy_function(flat, (ids, view), types, stateful=False)
        for tensor, seen in zip(tensors, keras.tree.flatten(spec), strict=True):
            tensor.set_shape(seen.shape)
        return keras.tree.map_structure(
            lambda tensor, seen: tf.cast(tensor, seen.dtype),
            keras.tree.pack_sequence_as(spec, tensors),
            spec,
        )

    def made(ids, view, batch):
        x, y, weight = (batch.get(key) for key in ("x", "y", "weight"))
        other = batch.get("other")
        partner = None
        if other is not None:
            partner = (other["x"], other.get("y"), other["drawn"])
        x, y = views(x, y, batch["drawn"], partner)
        if other is not None and weight is not None:
            weight = views.weight(weight, other["weight"], batch["drawn"])
        whole = {"x": x, "y": y, "weight": weight, "rows": batch.get("rows")}
        return {"ids": ids, **_there(whole)}

    one = np.zeros(1, "int64")
    specs: dict[Any, Any] = {}
    for function in (read, drawn, both):
        seen = _opened(function(one, one))
        types = [tensor.dtype for tensor in keras.tree.flatten(seen)]
        if "rows" in seen and rows_spec is not None:
            seen["rows"] = rows_spec
        specs[function] = seen, types
    many = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    if isinstance(places.element_spec, dict):
        known = places
    elif examples.any_order:
        return places.map(
            lambda ids, view: made(ids, view, through(both, ids, view)), **many
        )
    else:  # one batch after the other
        known = places.map(
            lambda ids, view: {"ids": ids, "view": view, **through(read, ids, view)}
        )
    return known.map(
        lambda batch: made(
            batch["ids"], batch["view"],
            {**batch, **through(drawn, batch["ids"], batch["view"])},
        ),
        **many,
    )  # fmt: skip


def _try(examples: Examples, views: Views, seed: int) -> None:
    """Make a few views again, in another order and another graph, and compare."""
    ids = np.arange(min(TRIED, examples.count), dtype="int64")
    orders = np.stack([ids, ids[::-1]])
    seen = []
    for _ in range(2):
        places = tf.data.Dataset.from_tensor_slices((orders, np.zeros_like(orders)))
        for order, batch in zip(
            orders, _batches(places, examples, views, seed), strict=True
        ):
            back = np.argsort(order)
            seen.append([a.numpy()[back] for a in keras.tree.flatten(batch["x"])])
    for again in seen[1:]:
        for first, second in zip(seen[0], again, strict=True):
            if not _alike(first, second):
                raise ValueError(
                    "`augment` does not make the same view again from the same example "
                    "and seed, so stored targets would belong to other pixels: take "
                    "all its randomness from the seed (tf.random.stateless_*, "
                    "tf.image.stateless_random_*), none from tf.random.uniform, "
                    "tf.image.random_*, NumPy or Python, and nothing from the other "
                    "examples of a batch."
                )


def _alike(first, second):
    if first.shape != second.shape or first.dtype.kind not in "fV":
        return np.array_equal(first, second)
    first, second = (array.astype("float64") for array in (first, second))
    return np.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True)


def _there(batch):
    return {key: value for key, value in batch.items() if value is not None}


def _opened(structure):
    """Arrays as specs, with their first size left open."""

    def opened(array):
        array = np.asarray(array)
        return keras.KerasTensor((None, *array.shape[1:]), _name(array.dtype))

    return keras.tree.map_structure(opened, structure)


def _name(dtype):
    return "string" if dtype.kind in "OSU" else dtype.name
