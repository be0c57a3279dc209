"""Shuffled reading from a store into tf.data, against gathering from bare memmaps."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from timing import clocked, ratio

from keras_kd.store import StoredTeacher, label

BATCH = 256
RECORDS: dict[str, dict[str, Any]] = {
    "16 logits and 256 features": {"classes": 16, "taps": ("output", "feature")},
    "compact top 10 of 1,000": {"classes": 1000, "top_k": 10},
}
SAME_LOGITS = {"classes": 1000}
"""Full float16 logits: what a bare gather needs to give what the compact ones do."""


def reading(fast: bool) -> dict[str, Any]:
    """Rows a second, ours and the bare gather's, and the memory of ten times more.

    The compact rows are read into logits of all classes. The bare gather reads those
    from full float16 rows; that of the compact rows' own bytes, which it leaves
    undecoded, is told beside it.
    """
    rows, repeats = (2_000, 3) if fast else (60_000, 9)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {}
        for place, (record, kind) in enumerate(RECORDS.items()):
            store, data = written(folder / str(place), rows, **kind)
            raw = {"raw": gathered(store.folder, data)}
            if "top_k" in kind:
                full, _ = written(folder / "full", rows, **SAME_LOGITS)
                raw["undecoded"] = raw["raw"]
                raw["raw"] = gathered(full.folder, data)
            found[record] = _compared(store, data, raw, repeats)
        memory = _memory(folder, rows)
    return {"count": rows, "rows": found, "memory": memory}


def written(
    folder: Path, rows: int, classes: int, **options: Any
) -> tuple[StoredTeacher, tuple[np.ndarray, np.ndarray]]:
    """A store of a teacher that costs nothing, and the data it is of, mapped."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.normal(size=(rows, 8)).astype("float32"))
    np.save(folder / "y.npy", rng.integers(0, classes, rows))
    inputs = keras.Input((8,))
    feature = layers.Dense(256, name="feature")(inputs)
    teacher = keras.Model(inputs, layers.Dense(classes)(feature), name="teacher")
    data = mapped(folder)
    store = label(
        teacher, data, folder / "store", batch_size=2048, range_rows=8192, verbose=0,
        **options,
    )  # fmt: skip
    return store, data


def mapped(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels, read from the disk as they are used."""
    x, y = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "xy")
    return x, y


def gathered(folder: Path, data: tuple[np.ndarray, np.ndarray]) -> tf.data.Dataset:
    """What anyone would write: a permutation, and rows of each file by index."""
    files = sorted(folder.glob("*.npy"))
    mapped_files = [np.load(path, mmap_mode="r") for path in files]
    arrays = [np.asarray(array) for array in (*data, *mapped_files)]
    types = [array.dtype for array in arrays]

    def order(_):
        places = tf.numpy_function(
            lambda: np.random.permutation(len(arrays[0])), (), tf.int64
        )
        places.set_shape((len(arrays[0]),))
        return tf.data.Dataset.from_tensor_slices(places).batch(BATCH)

    def rows(places):
        tensors = tf.numpy_function(
            lambda at: [array.take(at, axis=0) for array in arrays],
            (places,),
            types,
            stateful=False,
        )
        for tensor, array in zip(tensors, arrays, strict=True):
            tensor.set_shape((None, *array.shape[1:]))
        return tuple(tensors)

    epoch = tf.data.Dataset.range(1).flat_map(order)
    read = epoch.map(rows, num_parallel_calls=tf.data.AUTOTUNE)
    return read.prefetch(tf.data.AUTOTUNE)


def _compared(
    store: StoredTeacher,
    data: tuple[np.ndarray, np.ndarray],
    raw: dict[str, tf.data.Dataset],
    repeats: int,
) -> dict[str, Any]:
    def read(dataset):
        def run():
            for _ in dataset:
                pass

        return run

    datasets = {"ours": store.dataset(data, batch_size=BATCH), **raw}
    _, wall = clocked({name: read(datasets[name]) for name in datasets}, repeats)
    rates = {
        name: round(len(data[0]) / statistics.median(seconds))
        for name, seconds in wall.items()
    }
    share = ratio(wall["raw"], wall["ours"])
    return {"bytes": store.manifest.row_bytes, **rates, "ratio": share}


def _memory(folder: Path, rows: int) -> dict[str, Any]:
    """The peak of a process that reads a store once, of these rows and of ten times."""
    kind = RECORDS["16 logits and 256 features"]
    peak = {}
    for count in (rows, 10 * rows):
        place = folder / f"memory-{count}"
        written(place, count, **kind)
        peak[f"{count:,}"] = _peak(place)
    own = [at["anonymous"] for at in peak.values()]
    return {"peak": peak, "ratio": own[1] / own[0]}


def _peak(folder: Path) -> Mapping[str, int]:
    """Megabytes, from a process of its own."""
    benchmarks = str(Path(__file__).parent.parent)
    path = os.pathsep.join([benchmarks, *filter(None, [os.environ.get("PYTHONPATH")])])
    child = subprocess.run(
        [sys.executable, "-m", "stored_teacher.memory", str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(child.stdout.splitlines()[-1])
