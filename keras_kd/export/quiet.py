"""Silence for tools that talk while all is well."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator

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
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    with _one_at_a_time, warnings.catch_warnings(), _standard_error_held():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def _standard_error_held() -> Iterator[None]:
    """Point file descriptor 2 at a file; on an exception, show what it caught."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                caught.seek(0)
                with contextlib.suppress(OSError):
                    os.write(2, caught.read())
