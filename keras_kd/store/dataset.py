"""Stored targets beside the views they belong to, shuffled, epoch after epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_kd.store import counter_random
from keras_kd.store.augment import Views
from keras_kd.store.batches import view_batches
from keras_kd.store.examples import Examples
from keras_kd.targets import pack_targets

ORDER = 3
"""What the numbers of an epoch's order are drawn for."""


class Epochs:
    """Which epoch comes next: counted, or as `fit` says.

    A dataset carries it as `epochs`; the Distiller's `fit` moves it, so that a run
    that goes on from a checkpoint sees the views and the order it would have seen.
    """

    def __init__(self, first: int = 0):
        self.next = first

    def begin(self) -> int:
        """The epoch that begins."""
        self.next += 1
        return self.next - 1


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
) -> tf.data.Dataset:
    """Batches `(x, y)` of one epoch a pass, `y` with targets and example numbers.

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

    Returns:
        `tf.data.Dataset`; its `epochs` is an `Epochs`.
    """
    epochs, count = epochs or Epochs(), examples.count

    def order(epoch, places):
        if not shuffle:
            return places
        key = int(counter_random.bits(order_seed, ORDER, epoch))
        return counter_random.permuted(places, count, key)

    def begin():
        return np.int64(epochs.begin())

    def places(epoch, start):
        ids = order(epoch, np.arange(start, min(start + batch_size, count)))
        return ids, np.full(len(ids), epoch, "int64")

    def at(epoch, start):
        pair = tf.numpy_function(places, (epoch, start), ("int64", "int64"))
        for tensor in pair:
            tensor.set_shape((None,))
        return tuple(pair)

    stop = count - count % batch_size if drop_remainder else count
    starts = tf.data.Dataset.range(0, stop, batch_size)
    epoch = tf.data.Dataset.range(1).map(
        lambda _: tf.numpy_function(begin, (), "int64")
    )
    order_of_all = epoch.flat_map(
        lambda epoch: starts.map(lambda start: at(epoch, start))
    )
    rows, spec = (
        (None, None) if store is None else (store.gather, store.features_spec())
    )
    dataset = view_batches(order_of_all, examples, views, seed, rows, spec).map(_packed)
    size = -(-stop // batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    dataset.epochs = epochs
    return dataset


def _packed(batch):
    y = pack_targets(batch.get("y"), batch.get("rows"), batch["ids"])
    return batch["x"], y
