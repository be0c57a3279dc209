"""A full disk, told in rows and bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import done_ranges
from keras_kd.store.rows.rows_file import rows_files

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class StoreFullError(OSError):
    """The disk has no room for the rest of a store; what was done is kept."""


@contextlib.contextmanager
def telling_full_disk(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Say of a full disk how much is kept, how much is missing and what to do.

    Raises:
        StoreFullError: in place of an OSError that says that there is no room.
    """
    try:
        yield
    except StoreFullError:
        raise
    except OSError as error:
        code = error.errno
        if code is None or code not in FULL:
            raise
        text = _sentence(folder, manifest, os.strerror(code))
        raise StoreFullError(code, text, str(folder)) from error


def bytes_to_reserve(folder: Path, manifest: Manifest) -> int:
    """Bytes that a store's files still take from the disk; 0 once they are made."""
    files = rows_files(folder, manifest).values()
    return sum(file.size for file in files if not file.path.is_file())


def _sentence(folder, manifest, reason):
    layout = manifest.layout
    kept = sum(len(layout.rows_of(number)) for number in done_ranges(folder, manifest))
    needed = bytes_to_reserve(folder, manifest)
    # Reserved files have their bytes; what failed is written anew by its range.
    needed = needed or min(layout.range_rows, layout.rows - kept) * manifest.row_bytes
    free = shutil.disk_usage(folder).free
    return (
        f"{reason}: {kept:,} of {layout.rows:,} rows are kept; {needed:,} more bytes "
        f"are needed, {free:,} are free, {max(needed - free, 0):,} are missing. Make "
        "room, then run the same command again: it goes on with the rest"
    )
