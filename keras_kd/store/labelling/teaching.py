"""A teacher at work: batch after batch of what it leaves, in the rows' order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_kd.store.data.examples import Examples
from keras_kd.store.fields import Leaf
from keras_kd.store.manifest import Manifest
from keras_kd.store.reading.batches import view_batches
from keras_kd.store.views.views import Views
from keras_kd.teachers import Teacher
from keras_kd.types import Features


def taught_batches(
    teacher: Teacher,
    examples: Examples,
    making: Views,
    manifest: Manifest,
    numbers: Sequence[int],
) -> Iterator[dict[str, np.ndarray]]:
    """What the teacher leaves in the batches of some ranges, in their order.

    A teacher that runs ahead works on several batches at once inside of tf.data, any
    other on one after the other outside of it, where it may have an accelerator.

    Args:
        teacher: a `Teacher`.
        examples: the data.
        making: how views are made.
        manifest: the store's `Manifest`.
        numbers: the ranges.

    Yields:
        Dict from a leaf's stem to an array `(batch, …)`.
    """
    layout = manifest.layout
    batches = [
        (rows.start, rows.stop)
        for number in numbers
        for rows in layout.batches(number, manifest.batch_size)
    ]
    spans = tf.data.Dataset.from_tensor_slices(np.asarray(batches, "int64"))
    rows = spans.map(lambda span: tf.range(span[0], span[1]))
    x = views_at(examples, making, manifest, rows)

    def teach(x):
        return by_stem(teacher.only(x, manifest.taps), manifest.leaves)

    if teacher.runs_ahead:
        taught = x.map(teach, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        yield from taught.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
        return
    step = tf.function(teach, [x.element_spec], autograph=False)
    # An accelerator is given the next batch before this one is written.
    before = None
    for batch in x.prefetch(tf.data.AUTOTUNE):
        now = step(batch)
        if before is not None:
            yield {stem: tensor.numpy() for stem, tensor in before.items()}
        before = now
    if before is not None:
        yield {stem: tensor.numpy() for stem, tensor in before.items()}


def views_at(
    examples: Examples, making: Views, manifest: Manifest, rows: tf.data.Dataset
) -> tf.data.Dataset:
    """The `x` of batches of rows, from a dataset of int64 vectors."""
    count = manifest.layout.examples
    places = rows.map(lambda row: (row % count, row // count))
    made = view_batches(places, examples, making, manifest.seed)
    return made.map(lambda batch: batch["x"])


def by_stem(features: Features, leaves: Sequence[Leaf]) -> dict[str, Any]:
    """Features as a flat dict, by the names of their files."""
    found = {}
    for leaf in leaves:
        value = features[leaf.tap]
        for key in leaf.path:
            value = value[key]
        found[leaf.stem] = value
    return found
