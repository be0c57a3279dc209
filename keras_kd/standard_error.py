"""The process's standard error, held while tools talk though all is well."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def standard_error_held() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, by C++ too.

    It is dropped if the block ends well or is interrupted, and shown if it fails.

    Example:

    ```python
    with standard_error_held():
        os.write(2, b"a line nobody needs")
    ```
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                caught.seek(0)
                with contextlib.suppress(OSError):
                    os.write(2, caught.read())
