"""A teacher's pass over the data, once, into a store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.augment import Views, as_views
from keras_kd.store.batches import view_batches
from keras_kd.store.examples import Examples, as_examples
from keras_kd.store.fields import Leaf, Whole
from keras_kd.store.layout import MANIFEST, Layout, done_mark
from keras_kd.store.manifest import Manifest
from keras_kd.store.ranges import RangeWriter
from keras_kd.store.stored import StoredTeacher
from keras_kd.teachers import Teacher, as_teacher
from keras_kd.types import OUTPUT, Features, Tap


def label(
    teacher: Any,
    data: Any,
    directory: str | os.PathLike[str],
    taps: Sequence[Tap] = (OUTPUT,),
    views: int = 1,
    augment: Any = None,
    precision: str = "float16",
    batch_size: int = 64,
    seed: int = 0,
    range_rows: int = 1024,
) -> StoredTeacher:
    """Write what a teacher leaves at its taps, for each view of each example."""
    teacher, examples = as_teacher(teacher), as_examples(data)
    folder, making = Path(directory), as_views(augment)
    manifest = Manifest(
        Layout(examples.count, views, range_rows),
        _leaves(teacher, examples, taps, precision),
        batch_size,
        seed,
        identities={"augment": making.identity()},
    )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        manifest.write(folder)
    undone = [
        number
        for number in range(manifest.layout.ranges)
        if not done_mark(folder, number).exists()
    ]
    writer = RangeWriter(folder, manifest)
    try:
        taught = taught_batches(teacher, examples, making, manifest, undone)
        for number in undone:
            for rows in manifest.layout.batches(number, batch_size):
                writer.write(rows, next(taught))
            writer.finish(number)
    finally:
        writer.close()
    return StoredTeacher(folder)


def taught_batches(
    teacher: Teacher,
    examples: Examples,
    making: Views,
    manifest: Manifest,
    numbers: Sequence[int],
) -> Iterator[dict[str, np.ndarray]]:
    """What the teacher leaves in the batches of some ranges, in their order.

    Yields:
        Dict from a leaf's stem to an array `(batch, …)`.
    """

    def places():
        for number in numbers:
            for rows in manifest.layout.batches(number, manifest.batch_size):
                yield manifest.layout.place(np.arange(rows.start, rows.stop))

    vector = tf.TensorSpec((None,), "int64")
    views = view_batches(
        tf.data.Dataset.from_generator(places, output_signature=(vector, vector)),
        examples, making, manifest.seed,
    )  # fmt: skip

    def teach(batch):
        return by_stem(teacher(batch["x"], manifest.taps), manifest.leaves)

    if teacher.runs_ahead:
        views = views.map(teach, num_parallel_calls=tf.data.AUTOTUNE)
        yield from views.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
        return
    step = tf.function(teach)
    for batch in views.prefetch(tf.data.AUTOTUNE):
        yield {stem: tensor.numpy() for stem, tensor in step(batch).items()}


def by_stem(features: Features, leaves: Sequence[Leaf]) -> dict[str, Any]:
    """Features as a flat dict, by the names of their files."""
    found = {}
    for leaf in leaves:
        value = features[leaf.tap]
        for key in leaf.path:
            value = value[key]
        found[leaf.stem] = value
    return found


def _leaves(
    teacher: Teacher, examples: Examples, taps: Sequence[Tap], precision: str
) -> tuple[Leaf, ...]:
    """A field for each tensor that the teacher leaves at the taps."""
    spec = teacher.spec(examples.spec()[0], taps)
    leaves: list[Leaf] = []
    for tap in dict.fromkeys(taps):
        for path, tensor in keras.tree.flatten_with_path(spec[tap]):
            stem = re.sub(r"[^\w@.-]+", "_", "_".join(map(str, (tap, *path))))
            taken = {leaf.stem for leaf in leaves}
            stem = stem if stem not in taken else f"{stem}_{len(leaves)}"
            kept = precision if tensor.dtype.startswith("float") else tensor.dtype
            leaves.append(Leaf(tap, tuple(path), Whole(tensor.shape[1:], kept), stem))
    return tuple(leaves)
