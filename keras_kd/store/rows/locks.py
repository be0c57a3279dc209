"""Locks between processes; the system releases them when their holder dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

POLL_SECONDS = 0.02


class StoreBusyError(RuntimeError):
    """Another process writes what this one was to write."""


@contextlib.contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing.

    A lock that is left by a killed process is free. On a network file system it
    holds between machines as far as that file system's `flock` does.

    Args:
        path: Path of the lock's file.
        busy: str, what to say where another holds it. Defaults to None: wait.

    Raises:
        StoreBusyError: with `busy`, where another holds it.

    Example:

    ```python
    with locked(Path("write.lock"), busy="Another process writes here."):
        Path("written.txt").write_text("by one at a time")
    ```
    """
    import filelock

    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not one for all: two in one process are two writers as well.
        lock = filelock.FileLock(path, is_singleton=False)
        try:
            lock.acquire(timeout=-1 if busy is None else 0, poll_interval=POLL_SECONDS)
        except filelock.Timeout:
            raise StoreBusyError(busy) from None
        except FileNotFoundError:
            continue  # The one who finished the store has just removed the folder.
        break
    try:
        yield
    finally:
        lock.release()
