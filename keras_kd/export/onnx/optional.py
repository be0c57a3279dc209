"""The packages of the `onnx` extra, imported where they are first needed."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from typing import Any

from keras_kd.export.quiet import loggers_at, quiet

LOGGERS = ("tf2onnx", "onnxruntime", "root")


def optional(name: str) -> Any:
    """A module of the `onnx` extra, or the pip line that installs it."""
    try:
        # onnxruntime looks for graphics cards as it loads, and says so.
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"ONNX files need {name.partition('.')[0]}: pip install 'keras-kd[onnx]'."
        ) from error


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """`quiet`, with the loggers of the ONNX tools held back too."""
    # `logging.warning` gives a root logger without handlers one, for good.
    handlers = list(logging.getLogger().handlers)
    with quiet(), loggers_at(logging.CRITICAL, *LOGGERS):
        try:
            yield
        finally:
            logging.getLogger().handlers[:] = handlers
