"""The process that holds the converter: a script, run by `converter.py`.

It imports TensorFlow and nothing of this package. Each line of standard input is a
job as JSON, each line of standard output the answer to one. It ends when standard
input does, which happens when its parent ends, however that came about.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The parent's paths: this file's folder would hide packages behind its siblings.
    sys.path[:] = sys.argv[1:]

import contextlib
import faulthandler
import gc
import itertools
import json
import os
import queue
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL, SAMPLES, FILE = "model", "samples", "file.tflite"
"""What lies in a job's folder: SavedModel, calibration samples, the answer."""

HALF = "half.tflite"
"""The float file with the ranges of the first half of the samples."""


def main() -> None:
    """Answer jobs until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable(all_threads=False)  # the last words before a crash
    _no_core_file()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    import_tensorflow()
    while True:
        print(json.dumps(answer(jobs.get())), file=answers, flush=True)


def _no_core_file() -> None:
    """A crash is told to the parent, not left in its folder."""
    with contextlib.suppress(ImportError):  # there is no such thing on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _listen(jobs: queue.Queue[dict[str, Any]]) -> None:
    """Pass jobs on; end the process, in whatever it does, with the parent."""
    folder = None
    for line in sys.stdin:
        job = json.loads(line)
        folder = job["folder"]
        jobs.put(job)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def import_tensorflow() -> Any:
    """TensorFlow without Keras, in half the time and without its garbage."""
    if "keras" not in sys.modules:
        sys.modules["keras"] = None  # type: ignore[assignment]
    import tensorflow as tf

    # The converter collects garbage on each call: 0.2 s over what never goes.
    gc.collect()
    gc.freeze()
    return tf


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job; `{"error": …}` is the exception's text."""
    try:
        content = convert(job)
        Path(job["folder"], FILE).write_bytes(content)
        return {"bytes": len(content)}
    except BaseException as error:
        return {"error": str(error) or type(error).__name__}


def convert(job: dict[str, Any]) -> bytes:
    """Convert the SavedModel in a job's folder.

    Args:
        job: Dict with `"folder"`, `"signatures"` (list of keys), `"optimize"`
            (boolean), `"types"` and `"operators"` (lists of names, empty for the
            converter's own choice), `"input_type"`, `"output_type"` and
            `"calibrate"` (dict from key to the number of samples, or empty).

    Returns:
        The bytes of the .tflite file.
    """
    import tensorflow as tf

    folder = Path(job["folder"])
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / MODEL), signature_keys=job["signatures"]
    )
    if job["optimize"]:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job["types"]:
        converter.target_spec.supported_types = [
            tf.dtypes.as_dtype(name) for name in job["types"]
        ]
    if job["operators"]:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet[name] for name in job["operators"]
        ]
    converter.inference_input_type = tf.dtypes.as_dtype(job["input_type"])
    converter.inference_output_type = tf.dtypes.as_dtype(job["output_type"])
    if job["calibrate"]:
        counts = job["calibrate"]
        converter.representative_dataset = lambda: _samples(folder, counts)
        _keep_half(converter, folder, {key: n // 2 for key, n in counts.items()})
    return bytes(converter.convert())


def _keep_half(converter: Any, folder: Path, counts: dict[str, int]) -> None:
    """Also write the float file with the ranges of so many samples."""
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    quantize = converter._quantize

    def both(model: bytes, *arguments: Any) -> Any:
        half = Calibrator(model).calibrate(lambda: _samples(folder, counts))
        (folder / HALF).write_bytes(half)
        return quantize(model, *arguments)

    if all(counts.values()):
        converter._quantize = both


def _samples(folder: Path, counts: dict[str, int]) -> Iterator[Any]:
    """Batches by input name; with several signatures, beside their key."""
    for key, count in counts.items():
        for batch in itertools.islice(read_samples(folder / SAMPLES / key), count):
            yield batch if len(counts) == 1 else (key, batch)


def write_samples(folder: Path, samples: list[dict[str, Any]]) -> None:
    """Write batches to one file per input: arrays one after another."""
    import numpy as np

    folder.mkdir(parents=True)
    for name in samples[0]:
        with open(folder / f"{name}.npy", "wb") as file:
            for batch in samples:
                np.save(file, batch[name], allow_pickle=False)


def read_samples(folder: Path) -> Iterator[dict[str, Any]]:
    """Read what `write_samples` wrote, batch by batch."""
    import numpy as np

    paths = sorted(folder.glob("*.npy"))
    ends = [path.stat().st_size for path in paths]
    files = [open(path, "rb") for path in paths]
    try:
        while all(file.tell() < end for file, end in zip(files, ends, strict=True)):
            yield {
                path.stem: np.load(file, allow_pickle=False)
                for path, file in zip(paths, files, strict=True)
            }
    finally:
        for file in files:
            file.close()


if __name__ == "__main__":
    main()
