"""A model in LiteRT: a pool of interpreters of one thread each.

XNNPACK runs a batch on one core in less of its time than TensorFlow; several batches
run side by side, one to an interpreter, while Python's lock is free.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.engines.converted import ConvertedEngine, Run
from keras_kd.engines.engine import EngineError, cores
from keras_kd.engines.inference import InferencePart
from keras_kd.taps import is_output

CALIBRATION = 512
"""More samples hardly move the ranges of an int8 file."""


class LiteRTEngine(ConvertedEngine):
    """Runs a model in LiteRT, on as many cores as call it at once.

    Args:
        model: a built `keras.Model`.
        precision: None for float32, or `"int8"`, which needs `samples`. Defaults to
            None.
        float_softmax: the softmax in which an int8 model ends is computed in
            float32, since steps of 1/256 have no logarithm. Defaults to False.

    Attributes:
        samples: arrays in the order of the model's inputs, from which the ranges of
            int8 activations are read.

    Example:

    ```python
    engine = LiteRTEngine(model)
    engine(images, ["output"])["output"]
    ```
    """

    name = "litert"

    def __init__(
        self,
        model: keras.Model,
        precision: str | None = None,
        float_softmax: bool = False,
    ):
        super().__init__(model)
        self.precision = precision
        self.float_softmax = float_softmax
        self.samples: list[np.ndarray] | None = None

    def calibrate(self, samples: Sequence[np.ndarray]) -> None:
        """Take what the ranges of int8 activations are read from."""
        with self._lock:
            self.samples = [np.asarray(array[:CALIBRATION]) for array in samples]
            self._forget()

    def convert(self, part: InferencePart, rows: int) -> Run:
        from keras_kd.export import export_tflite

        with tempfile.TemporaryDirectory(prefix="keras_kd_") as folder:
            path = Path(folder, "teacher.tflite")
            if self.precision is None:
                export_tflite(part.model, path, "float32", batch_size=rows)
            else:
                self._write_int8(part, path, rows)
            return Pool(path.read_bytes())

    def _write_int8(self, part, path, rows):
        from keras_kd.export import export_tflite

        if self.samples is None:
            raise EngineError(
                "precision='int8' reads the ranges of the activations from examples: "
                "call `teacher.calibrate(x)` with 100 to 512 of them first."
            )
        count = max(rows, len(self.samples[0]))
        samples = [np.resize(x, (count, *x.shape[1:])) for x in self.samples]
        export_tflite(
            part.model, path, "int8", samples, io="float32", batch_size=rows,
            float_softmax=self.float_softmax and any(map(is_output, part.taps)),
        )  # fmt: skip


class Pool:
    """Interpreters of one file, made as threads ask for them, at most one a core.

    Args:
        content: the bytes of a .tflite file with the inputs `"x_0"`, `"x_1"`, ….
    """

    def __init__(self, content: bytes):
        self._content = content
        self._free: list[Any] = []
        self._places = threading.Semaphore(cores())

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        batch = {f"x_{i}": array for i, array in enumerate(arrays)}
        with self._one() as runner:
            found = runner(batch)
        return [found[f"tap_{i}"] for i in range(len(found))]

    @contextlib.contextmanager
    def _one(self) -> Iterator[Any]:
        with self._places:
            runner = self._free.pop() if self._free else self._made()
            try:
                yield runner
            finally:
                self._free.append(runner)

    def _made(self) -> Any:
        from keras_kd.engines.interpreter import SingleThread

        return SingleThread(self._content)
