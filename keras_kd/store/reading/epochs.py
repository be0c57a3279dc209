"""Which epoch a pass over a dataset is, and in which order its examples come."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_kd.store.views import counter_random
from keras_kd.store.views.views import ORDER

AT_ONCE = 16 * 1024
"""Places of the order that are computed together."""


class Epochs:
    """Which epoch comes next: as `fit` says, or counted.

    A dataset carries it as `epochs`. The Distiller's `fit` sets `next` as each epoch
    begins, so that a run that goes on from a checkpoint sees the views and the order
    it would have seen. Elsewhere a pass counts once its last batch is taken: to look
    at a few batches changes nothing.
    """

    def __init__(self, first: int = 0):
        self.next = self.current = first

    def begins(self) -> np.int64:
        """The epoch of the pass that begins."""
        self.current = self.next
        return np.int64(self.current)

    def ended(self) -> bool:
        """Count the pass, which is over."""
        self.next = self.current + 1
        return True


def ordered_places(
    epochs: Epochs,
    count: int,
    size: int,
    batch_size: int,
    shuffle: bool,
    seed: int,
    views: int | None,
) -> tf.data.Dataset:
    """The places of the batches of one epoch a pass.

    A few thousand of the order are made at once, and no table of it is kept.

    Args:
        epochs: `Epochs`; with `seed` the epoch tells the order.
        count: int, examples.
        size: int, how many of them come.
        batch_size: int.
        shuffle: bool.
        seed: int.
        views: int, after how many epochs the views come again, or None.

    Returns:
        Dataset of `(ids, view)`, int64 tensors `(batch,)`.
    """

    def places(epoch, start):
        epoch = epochs.begins() if epoch < 0 else epoch
        ids = np.arange(start, min(start + step, size), dtype="int64")
        if shuffle:
            key = int(counter_random.bits(seed, ORDER, epoch))
            ids = counter_random.permuted(ids, count, key)
        view = np.full(len(ids), epoch % views if views else epoch, "int64")
        return epoch, ids, view

    def chunk(epoch, start):
        epoch, ids, view = tf.numpy_function(
            places, (epoch, start), (tf.int64,) * 3, stateful=True
        )
        pair = tf.ensure_shape(ids, (None,)), tf.ensure_shape(view, (None,))
        return tf.ensure_shape(epoch, ()), pair

    step = max(AT_ONCE // batch_size, 1) * batch_size
    chunks = tf.data.Dataset.range(0, size, step).scan(np.int64(-1), chunk)
    return chunks.rebatch(batch_size)


def streamed_places(
    singles: tf.data.Dataset,
    epochs: Epochs,
    batch_size: int,
    drop_remainder: bool,
    buffer: int,
    seed: int,
    views: int | None,
) -> tf.data.Dataset:
    """Batches of examples that come in their order, shuffled block by block.

    One epoch a pass, as `ordered_places`.

    Args:
        singles: dataset of `(x, y, sample_weight)`, or of less.
        epochs: `Epochs`.
        batch_size: int.
        drop_remainder: bool.
        buffer: int, examples that are shuffled together; 0 for their order.
        seed: int.
        views: int, after how many epochs the views come again, or None.

    Returns:
        Dataset of dicts `{"ids", "view", "x", "y", "weight"}`.
    """

    def one_pass(epoch):
        def block(ids, item):
            parts = item if isinstance(item, tuple) else (item,)
            view = tf.fill(tf.shape(ids), epoch % views if views else epoch)
            named = dict(zip(("x", "y", "weight"), parts, strict=False))
            batch = {"ids": ids, "view": view, **named}
            if not buffer:
                return batch
            order = tf.numpy_function(shuffled, (epoch, ids), tf.int64, stateful=False)
            order = tf.ensure_shape(order, (None,))
            return tf.nest.map_structure(lambda part: tf.gather(part, order), batch)

        blocks = singles.enumerate().batch(buffer or batch_size).map(block)
        return blocks.rebatch(batch_size, drop_remainder=drop_remainder)

    def shuffled(epoch, ids):
        key = int(counter_random.bits(seed, ORDER, epoch, ids[0]))
        return counter_random.permuted(np.arange(len(ids)), len(ids), key)

    begun = tf.data.Dataset.range(1).map(
        lambda _: tf.ensure_shape(
            tf.numpy_function(epochs.begins, (), tf.int64, stateful=True), ()
        )
    )
    return begun.flat_map(one_pass)


def counting(dataset: tf.data.Dataset, epochs: Epochs, size: int) -> tf.data.Dataset:
    """The batches of a pass, which counts as its last one is taken.

    Args:
        dataset: of batches.
        epochs: `Epochs`.
        size: int, how many batches there are.

    Returns:
        Dataset of the same batches.
    """

    taken = tf.data.Dataset.from_tensors(True).repeat(size - 1)
    last = tf.data.Dataset.range(1).map(
        lambda _: tf.ensure_shape(
            tf.numpy_function(epochs.ended, (), tf.bool, stateful=True), ()
        )
    )
    # A map that only drops what it is given costs nothing.
    beside = tf.data.Dataset.zip((dataset, taken.concatenate(last)))
    options = tf.data.Options()
    # What TensorFlow lets run ahead here would take the last batch before its time.
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.map_parallelization = False
    return beside.map(lambda batch, _: batch).with_options(options)
