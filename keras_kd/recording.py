"""Keeping what layers take and return while their model runs.

The layers' methods are wrapped for the duration of that run. So it works in functional,
Sequential, nested and subclassed models alike, in graphs and under XLA, and the model
is left as it was.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

CALL = "call"


class TapError(ValueError):
    """A tap that is not there, or does not run exactly once."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a layer's method: what it took, and what it returned."""

    method: Callable
    args: tuple
    kwargs: dict[str, Any]
    value: Any

    @property
    def arguments(self) -> dict[str, Any]:
        """What was given, by name."""
        bound = inspect.signature(self.method).bind(*self.args, **self.kwargs)
        return dict(bound.arguments)


class Recording:
    """The runs of the wanted layers' methods during one pass."""

    def __init__(self, wanted: Iterable[tuple[keras.layers.Layer, str]]):
        self._runs: dict[tuple[int, str], list[Run]] = {
            (id(layer), method): [] for layer, method in wanted
        }

    def keep(self, layer: keras.layers.Layer, method: str, run: Run) -> None:
        """Note a run, if it is wanted here."""
        if (id(layer), method) in self._runs:
            self._runs[id(layer), method].append(run)

    def values_of(self, layer: keras.layers.Layer) -> list:
        """One value for each time the layer ran."""
        return [run.value for run in self.runs_of(layer, CALL)]

    def runs_of(self, layer: keras.layers.Layer, method: str) -> list[Run]:
        """The runs of one of the layer's methods."""
        return self._runs[id(layer), method]


_active: contextvars.ContextVar[Recording | None] = contextvars.ContextVar(
    "keras_kd_recording", default=None
)
_lock = threading.Lock()
_users: dict[tuple[int, str], int] = {}
_replaced: dict[tuple[int, str], Any] = {}


@contextlib.contextmanager
def record(wanted: Iterable[tuple[keras.layers.Layer, str]]) -> Iterator[Recording]:
    """Keep what layers do in this thread, for the duration of the block.

    Args:
        wanted: pairs of a layer and the name of its method, such as `CALL`.

    Example:

    ```python
    with record([(layer, CALL)]) as recording:
        model(images)
    recording.values_of(layer)  # one entry for each time it ran
    ```
    """
    wanted = list(wanted)
    recording = Recording(wanted)
    for layer, method in wanted:
        _wrap(layer, method)
    token = _active.set(recording)
    try:
        yield recording
    finally:
        _active.reset(token)
        for layer, method in wanted:
            _unwrap(layer, method)


def _wrap(layer, method):
    # Replicas run in threads of their own and share the model: the first one in
    # wraps the layer, the last one out unwraps it, and each records for itself.
    with _lock:
        users = _users.get((id(layer), method), 0)
        _users[id(layer), method] = users + 1
        if users:
            return
        entry = _entry(layer, method)
        original = getattr(layer, entry)

        @functools.wraps(original)
        def recorded(*args, **kwargs):
            value = original(*args, **kwargs)
            if recording := _active.get():
                recording.keep(layer, method, Run(original, args, kwargs, value))
            return value

        # Past Keras's attribute tracking, which has no business with it.
        _replaced[id(layer), method] = vars(layer).get(entry)
        vars(layer)[entry] = recorded


def _unwrap(layer, method):
    with _lock:
        key = id(layer), method
        _users[key] -= 1
        if not _users[key]:
            del _users[key]
            del vars(layer)[_entry(layer, method)]
            own = _replaced.pop(key)
            if own is not None:  # somebody had given this very layer a `call`
                vars(layer)[_entry(layer, method)] = own


def _entry(layer, method):
    """The method that Keras runs: a quantized layer has another `call`."""
    quantized = method == CALL and layer.quantization_mode
    return "quantized_call" if quantized else method
