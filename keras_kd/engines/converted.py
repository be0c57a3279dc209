"""What LiteRT and ONNX have in common: a file for each batch size and set of taps."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_kd.engines.engine import Engine, EngineError, arrays_of, fingerprint
from keras_kd.engines.inference import InferencePart
from keras_kd.types import Tap

LARGEST = 32
"""Rows of a file. With more it is no faster, and needs more memory."""

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


class ConvertedEngine(Engine):
    """Converts the model where a set of taps is first wanted, and keeps the result.

    A file has one number of rows, since runtimes are fastest on fixed shapes: that of
    the batches it first sees, or 32 of them. A larger batch goes through it in parts,
    and what is left over is filled up with its own rows. Where the first batch was a
    small one, a larger one has the model converted once more.

    A subclass gives `convert`, which writes a file of the part's model for so many
    rows and returns what runs it.
    """

    def __init__(self, model: keras.Model):
        super().__init__(model)
        self._lock = threading.RLock()
        self._seen: tuple[int, ...] | None = None
        self._forget()

    @abc.abstractmethod
    def convert(self, part: InferencePart, rows: int) -> Run:
        """A function of the part's flat inputs, for batches of any size."""

    def __call__(self, x, taps):
        arrays = arrays_of(self.model, x)
        if not len(arrays[0]):
            raise EngineError("The batch is empty.")
        part, run = self._plan(tuple(taps), arrays)
        return part.pack(run(arrays))

    def prepare(self, x, taps):
        self._plan(tuple(taps), arrays_of(self.model, x))

    def refresh(self):
        with self._lock:
            if self._seen is not None and self._seen != fingerprint(self.model):
                self._forget()

    def _forget(self) -> None:
        self._plain: keras.Model | None = None
        self._plans: dict[Any, tuple[int, InferencePart, Run]] = {}
        self._failed: dict[Any, EngineError] = {}

    def _plan(
        self, taps: tuple[Tap, ...], arrays: Sequence[np.ndarray]
    ) -> tuple[InferencePart, Run]:
        sizes = tuple(array.shape[1:] for array in arrays)
        rows = min(len(arrays[0]), LARGEST)
        plan = self._plans.get((taps, sizes))
        if plan is None or plan[0] < rows:
            with self._lock:
                plan = self._plans.get((taps, sizes))
                if plan is None or plan[0] < rows:
                    plan = self._converted(taps, sizes, rows)
                    self._plans[taps, sizes] = plan
        return plan[1], plan[2]

    def _converted(self, taps, sizes, rows):
        from keras_kd.export.errors import ExportError

        if (taps, sizes) in self._failed:
            raise self._failed[taps, sizes]
        try:
            part = InferencePart(self._as_float32(), taps, sizes)
            return rows, part, self.convert(part, rows)
        except (ValueError, NotImplementedError, ExportError) as error:
            reason = " ".join(str(error).split())
            failure = EngineError(
                f"engine={self.name!r} cannot run the teacher {self.model.name!r}: "
                f"{reason} Use engine='tensorflow'."
            )
            self._failed[taps, sizes] = failure
            raise failure from error

    def _as_float32(self) -> keras.Model:
        """The model as a converter takes it; itself, where it is plain float32."""
        if self._plain is None:
            from keras_kd.compress.strip import is_compressed, strip
            from keras_kd.export.prepare import deployable

            self._seen = fingerprint(self.model)
            model = self.model
            model = strip(model) if is_compressed(model) else model
            self._plain, _ = deployable(model)
        return self._plain
