"""The fastest engine for a model on this machine, found on its first batch."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import logging
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_kd.engines.engine import Engine, cores
from keras_kd.engines.graph import GraphEngine
from keras_kd.engines.litert import LiteRTEngine
from keras_kd.engines.onnx import OnnxEngine
from keras_kd.types import Features, Tap

CLOSE = 1e-4
"""How far an engine may be from TensorFlow, of the largest number at a tap."""

ROUNDS = 3

_log = logging.getLogger("keras_kd")


class AutoEngine(Engine):
    """TensorFlow, LiteRT or onnxruntime, whichever runs the first batch fastest.

    An engine that cannot run the model, or differs from TensorFlow by more than 1e-4
    of the largest number at a tap, is passed over. What was found is logged to
    `"keras_kd"`.

    Args:
        model: a built `keras.Model`.

    Attributes:
        chosen: the engine that was picked, or None before the first batch.

    Example:

    ```python
    engine = AutoEngine(model)
    engine(images, ["output"])
    engine.chosen.name
    ```
    """

    name = "auto"

    def __init__(self, model: keras.Model):
        super().__init__(model)
        self.chosen: Engine | None = None
        self._lock = threading.Lock()

    def __call__(self, x, taps):
        if self.chosen is None:
            with self._lock:
                if self.chosen is None:
                    self.chosen = fastest(self.model, installed(self.model), x, taps)
        return self.chosen(x, taps)

    def prepare(self, x, taps):
        if self.chosen is None:
            self(x, taps)
        else:
            self.chosen.prepare(x, taps)

    def refresh(self):
        if self.chosen is not None:
            self.chosen.refresh()


def installed(model: keras.Model) -> list[Engine]:
    """The engines whose packages are here, TensorFlow first."""
    engines: list[Engine] = [GraphEngine(model)]
    if importlib.util.find_spec("ai_edge_litert"):
        engines.append(LiteRTEngine(model))
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        engines.append(OnnxEngine(model))
    return engines


def fastest(
    model: keras.Model, engines: Sequence[Engine], x: Any, taps: Sequence[Tap]
) -> Engine:
    """Time engines on a batch, on all cores at once, and pick one.

    Args:
        model: the model they run.
        engines: the first is what the others must equal.
        x: a real batch.
        taps: what is wanted.

    Returns:
        The fastest of those that are right.
    """
    reference = engines[0](x, taps)
    found: dict[str, float] = {}
    for engine in engines:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                missed = largest_miss(reference, engine(x, taps))
        except Exception as error:  # converters have as many kinds as operations
            _log.debug("%s passed over for %r: %s", engine.name, model.name, error)
            continue
        if engine is not engines[0] and not missed <= CLOSE:
            _log.debug(
                "%s passed over for %r: it differs from TensorFlow by %.2g of the "
                "largest number", engine.name, model.name, missed,
            )  # fmt: skip
            continue
        found[engine.name] = seconds_a_batch(engine, x, taps)
    best = min(found, key=lambda name: found[name])
    _log.info(
        "Teacher %r runs in %s: %s for a batch.", model.name, best,
        ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in found.items()),
    )  # fmt: skip
    return next(engine for engine in engines if engine.name == best)


def seconds_a_batch(engine: Engine, x: Any, taps: Sequence[Tap]) -> float:
    """The time of a batch where every core has one, the best of a few rounds."""
    threads = cores()
    best = float("inf")
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS + 1):  # the first makes what a thread needs
            start = time.perf_counter()
            list(pool.map(lambda _: engine(x, taps), range(threads)))
            best = min(best, (time.perf_counter() - start) / threads)
    return best


def largest_miss(expected: Features, given: Features) -> float:
    """The largest difference, as a share of the largest number at its tap."""
    missed = [0.0]
    for tap, value in expected.items():
        both = keras.tree.flatten(value), keras.tree.flatten(given[tap])
        for a, b in zip(*both, strict=True):
            a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
            size = max(float(np.abs(a).max(initial=0.0)), 1e-12)
            missed.append(float(np.abs(a - b).max(initial=0.0)) / size)
    return float(np.max(missed))  # which is NaN where one is
