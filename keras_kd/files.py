"""Files that appear whole and together, or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def written_together() -> Iterator[Callable[[Path, bytes], Path]]:
    """Write files under temporary names; rename them when the block ends well.

    They are renamed in the reverse of the order in which they were written, so
    that the first, once there, has its companions beside it. If the block raises,
    no file is left and none is replaced.

    Returns:
        A context manager that gives a function `write(path, content)`, which makes
        the folder and returns the temporary path, for the block to examine.

    Example:

    ```python
    with written_together() as write:
        write(Path("a.txt"), b"a").read_bytes()  # b'a', and a.txt is not there yet
        write(Path("b.txt"), b"b")
    ```
    """
    temporary: dict[Path, Path] = {}

    def write(path: Path, content: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary[path] = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        with open(temporary[path], "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return temporary[path]

    try:
        yield write
        for path in reversed(temporary):
            os.replace(temporary[path], path)
    finally:
        for leftover in temporary.values():
            leftover.unlink(missing_ok=True)
