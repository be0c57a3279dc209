"""Keeping what layers return while their model runs.

The layers' `call` is wrapped for the duration of that run. So it works in functional,
Sequential, nested and subclassed models alike, in graphs and under XLA, and the model
is left as it was.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import keras


class Recording:
    """What the wanted layers returned during one pass."""

    def __init__(self, layers: Iterable[keras.layers.Layer]):
        self._values: dict[int, list] = {id(layer): [] for layer in layers}

    def keep(self, layer: keras.layers.Layer, value: Any) -> None:
        """Note a value, if the layer is wanted here."""
        if id(layer) in self._values:
            self._values[id(layer)].append(value)

    def values_of(self, layer: keras.layers.Layer) -> list:
        """One value for each time the layer ran."""
        return self._values[id(layer)]


_active: contextvars.ContextVar[Recording | None] = contextvars.ContextVar(
    "keras_kd_recording", default=None
)
_lock = threading.Lock()
_users: dict[int, int] = {}
_replaced: dict[int, Any] = {}


@contextlib.contextmanager
def record(layers: Iterable[keras.layers.Layer]) -> Iterator[Recording]:
    """Keep what `layers` return in this thread, for the duration of the block.

    Example:

    ```python
    with record([layer]) as recording:
        model(images)
    recording.values_of(layer)  # one entry for each time it ran
    ```
    """
    layers = list(layers)
    recording = Recording(layers)
    for layer in layers:
        _wrap(layer)
    token = _active.set(recording)
    try:
        yield recording
    finally:
        _active.reset(token)
        for layer in layers:
            _unwrap(layer)


def _wrap(layer):
    # Replicas run in threads of their own and share the model: the first one in
    # wraps the layer, the last one out unwraps it, and each records for itself.
    with _lock:
        users = _users.get(id(layer), 0)
        _users[id(layer)] = users + 1
        if users:
            return
        original = getattr(layer, _entry(layer))

        @functools.wraps(original)
        def recorded(*args, **kwargs):
            value = original(*args, **kwargs)
            if recording := _active.get():
                recording.keep(layer, value)
            return value

        # Past Keras's attribute tracking, which has no business with it.
        _replaced[id(layer)] = vars(layer).get(_entry(layer))
        vars(layer)[_entry(layer)] = recorded


def _unwrap(layer):
    with _lock:
        _users[id(layer)] -= 1
        if not _users[id(layer)]:
            del _users[id(layer)]
            del vars(layer)[_entry(layer)]
            own = _replaced.pop(id(layer))
            if own is not None:  # somebody had given this very layer a `call`
                vars(layer)[_entry(layer)] = own


def _entry(layer):
    """The method that Keras runs: a quantized layer has another."""
    return "quantized_call" if layer.quantization_mode else "call"
