"""A teacher's pass over the data, once, into a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from keras_kd.store.labelling.labelling import Labelling
from keras_kd.store.labelling.planning import Precision, as_shard
from keras_kd.store.stored import StoredTeacher
from keras_kd.types import OUTPUT, Tap


def label(
    teacher: Any,
    data: Any,
    directory: str | os.PathLike[str],
    taps: Sequence[Tap] = (OUTPUT,),
    top_k: int | None = None,
    views: int = 1,
    augment: Any = None,
    precision: Precision = None,
    temperature: float = 1.0,
    batch_size: int = 64,
    seed: int = 0,
    shard: str | tuple[int, int] = "0/1",
    range_rows: int = 1024,
    verbose: int = 1,
) -> StoredTeacher | None:
    """Write what a teacher leaves at its taps, for each view of each example.

        row = view · examples + example

    Killed at any point and called again with the same arguments, it goes on where it
    was, and ends in the same bytes. Arguments, data or a teacher other than those the
    store was begun with are refused. Rows are labelled in ranges; shards of them may
    be labelled at once, by any processes that see the directory. The bytes are those
    of one process, as far as the engine's arithmetic does not depend on how many
    threads it has.

    Args:
        teacher: a `keras.Model`, a `FrozenTeacher` or an `EnsembleTeacher`. Its
            engine, if it has a choice, is the one the store was begun with.
        data: array or dict of arrays; `(x, y)`; a `tf.data.Dataset`, a `PyDataset` or
            an object with a length and items. Labels are not needed.
        directory: path of the store's folder.
        taps: which of the teacher's features are kept. Defaults to the output alone.
        top_k: int, how many of the largest classes are kept of an output, with the
            mass of the others. Defaults to None: all.
        views: int, how many views of each example. Defaults to 1.
        augment: how views are made: an `Augmentation`, `MixUp`, `CutMix`, a Keras
            layer, or a function `augment(x, seed)`. Defaults to None: the examples as
            they are.
        precision: `"float32"`, `"float16"`, `"int8"` (features) or `"compact"` (the
            top k), for all taps, or a dict by tap. One word for all means to each tap
            what there is of it. Defaults to None: `"compact"` for the top k,
            `"float16"` for the rest.
        temperature: positive float, at which the top k are exact. Defaults to 1.
        batch_size: int, examples that the teacher sees together. Defaults to 64.
        seed: int, of the views. Defaults to 0.
        shard: `"i/N"` or `(i, N)`, which part of the ranges is labelled here, counted
            from 0. Defaults to `"0/1"`: all.
        range_rows: int, rows that are finished, or lost, together; rounded up to whole
            batches. Defaults to 1024.
        verbose: int, 0 for silence, 1 for an estimate of the bytes and the time, and
            the progress. Defaults to 1.

    Returns:
        A `StoredTeacher`; None where ranges of other shards are still to come.

    Raises:
        ValueError: for an argument out of range, a tap that is not there, a teacher
            that cannot label, or a directory that holds the targets of something
            else.
        StoreBusyError: a RuntimeError, where another process writes the same ranges.
        StoreFullError: an OSError, where the disk has no room; what was done is kept.

    Example:

    ```python
    store = label(teacher, (images, labels), "targets", top_k=3, verbose=0)
    dataset = store.dataset((images, labels), batch_size=16)
    distiller = Distiller(store, student, methods.hinton())
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528
    """
    part = as_shard(shard)
    labelling = Labelling(
        teacher, data, directory,
        taps=taps, top_k=top_k, views=views, augment=augment, precision=precision,
        temperature=temperature, batch_size=batch_size, seed=seed,
        range_rows=range_rows, verbose=verbose,
    )  # fmt: skip
    complete = labelling.run(part)["complete"]
    return StoredTeacher(directory, check=False) if complete else None
