"""Silence for tools that talk while all is well."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator

from keras_kd.standard_error import standard_error_held

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back warnings, log lines and the C++ side's standard error.

    What was written to the process's standard error is dropped if the block ends
    well, and shown if it raises. Warnings of the block are dropped.

    Example:

    ```python
    with quiet():
        os.write(2, b"a line nobody needs")
    ```
    """
    with _one_at_a_time, warnings.catch_warnings(), standard_error_held():
        warnings.simplefilter("ignore")
        with loggers_at(logging.ERROR, "absl", "tensorflow"):
            yield


@contextlib.contextmanager
def loggers_at(level: int, *names: str) -> Iterator[None]:
    """Give loggers another level for as long as the block lasts."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)
