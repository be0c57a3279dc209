"""Stored targets beside the views they belong to, shuffled, epoch after epoch."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.data.examples import Examples, StreamExamples, as_examples
from keras_kd.store.identity.changes import refuse_other
from keras_kd.store.identity.fingerprints import of_examples
from keras_kd.store.reading.batches import view_batches
from keras_kd.store.reading.epochs import (
    Epochs,
    counting,
    ordered_places,
    streamed_places,
)
from keras_kd.store.views.augment import as_views
from keras_kd.store.views.views import Views
from keras_kd.targets import pack_targets
from keras_kd.validation import positive_int

BUFFER, BUFFER_BYTES = 16 * 1024, 2**28
"""Examples that are shuffled together, and their bytes, where data come in order."""


def dataset_of(
    store: Any,
    data: Any,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    augment: Any = None,
    drop_remainder: bool = False,
    targets: bool = True,
) -> tf.data.Dataset:
    """Batches of views with their stored targets, one epoch a pass.

    Epoch e shows view e mod views of each example, as it was labelled. The order
    follows from `seed` and the epoch; data that can only be read in their order are
    shuffled in blocks of 16,384 examples, or 256 MB.

    Args:
        store: a `StoredTeacher`.
        data: what was labelled, as `label` takes it; labels and sample weights may be
            others.
        batch_size: int. Defaults to 32.
        shuffle: bool. Defaults to True.
        seed: int, of the order. Defaults to 0.
        augment: what was labelled with. Defaults to None.
        drop_remainder: bool, leave out a smaller last batch. Defaults to False.
        targets: bool; False gives the same batches as `(x, y)` without targets, for a
            live teacher or a student alone. Defaults to True.

    Returns:
        `tf.data.Dataset` of `(x, y)`, or `(x, y, sample_weight)` where the data have
        weights; its `epochs` is an `Epochs`.

    Raises:
        ValueError: where the data or the augmentation are not those of the store.
    """
    examples, views = as_examples(data), as_views(augment)
    identities = {"data": of_examples(examples), "augment": views.identity()}
    known = {k: v for k, v in identities.items() if k in store.manifest.identities}
    refuse_other(store.manifest, known, getattr(store, "folder", None))
    return stored_batches(
        examples, views, store.manifest.seed, store if targets else None,
        batch_size=batch_size, shuffle=shuffle, order_seed=seed,
        drop_remainder=drop_remainder, views_of_each=store.manifest.layout.views,
    )  # fmt: skip


def stored_batches(
    examples: Examples,
    views: Views,
    seed: int,
    store: Any = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    order_seed: int = 0,
    drop_remainder: bool = False,
    epochs: Epochs | None = None,
    views_of_each: int | None = None,
) -> tf.data.Dataset:
    """Batches of one epoch a pass, `y` with targets and example numbers.

    Args:
        examples: the data.
        views: how views are made.
        seed: int, of the views.
        store: a `StoredTeacher`, or None: no targets come along.
        batch_size: int. Defaults to 32.
        shuffle: bool. Defaults to True.
        order_seed: int, of the order. Defaults to 0.
        drop_remainder: bool, leave out a smaller last batch. Defaults to False.
        epochs: which epoch each pass is. Defaults to None: counted from 0.
        views_of_each: int, after how many epochs the views come again. Defaults to
            None: the store's, or never.

    Returns:
        `tf.data.Dataset`; its `epochs` is an `Epochs`.

    Raises:
        ValueError: for a batch size that leaves no batch.
    """
    epochs, count = epochs or Epochs(), examples.count
    batch_size = positive_int("batch_size", batch_size)
    rows = spec = None
    if store is not None:
        rows = functools.partial(store.gather, as_kept=True)
        spec = store.features_spec()
        views_of_each = store.manifest.layout.views
    stop = count - count % batch_size if drop_remainder else count
    if not stop:
        raise ValueError(
            f"`batch_size` must be at most {count}, the number of examples, where "
            f"smaller batches are dropped. Received: batch_size={batch_size}."
        )

    if isinstance(examples, StreamExamples):
        places = streamed_places(
            examples.singles, epochs, batch_size, drop_remainder,
            _block(examples) if shuffle else 0, order_seed, views_of_each,
        )  # fmt: skip
    else:
        places = ordered_places(
            epochs, count, stop, batch_size, shuffle, order_seed, views_of_each
        )

    def finished(batch):
        y, weight = batch.get("y"), batch.get("weight")
        if store is not None:
            y = pack_targets(y, batch["rows"], batch["ids"])
        if y is None and weight is None:
            return (batch["x"],)
        return (batch["x"], y) if weight is None else (batch["x"], y, weight)

    batches = view_batches(places, examples, views, seed, rows, spec)
    dataset = batches.map(finished).prefetch(tf.data.AUTOTUNE)
    size = -(-stop // batch_size)
    dataset = counting(dataset, epochs, size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    dataset.epochs = epochs
    return dataset


def _block(examples: Examples) -> int:
    """How many examples are shuffled together."""
    one = keras.tree.flatten(examples(np.zeros(1, "int64"))[0])
    size = sum(array.nbytes for array in one)
    return max(1, min(BUFFER, examples.count, BUFFER_BYTES // max(size, 1)))
