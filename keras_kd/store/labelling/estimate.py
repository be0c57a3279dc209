"""What a store will take of the disk, before it is made."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from keras_kd.store.labelling.progress import size_of
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.full_disk import StoreFullError, bytes_to_reserve
from keras_kd.store.rows.rows_file import rows_files


def store_bytes(folder: Path, manifest: Manifest) -> int:
    """Bytes of all its `.npy` files, headers included: exactly as they will be."""
    return sum(file.size for file in rows_files(folder, manifest).values())


def free_bytes(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_room(folder: Path, manifest: Manifest) -> None:
    """Refuse a store for which the disk has no room.

    Raises:
        StoreFullError: with what is needed and what is free.
    """
    needed, free = bytes_to_reserve(folder, manifest), free_bytes(folder)
    if needed > free:
        raise StoreFullError(
            errno.ENOSPC,
            f"The store needs {needed:,} bytes and {free:,} are free: take fewer "
            "views, `top_k`, a smaller precision, or another disk",
            str(folder),
        )


def outlook(folder: Path, manifest: Manifest) -> str:
    """The rows and bytes of a store in one line.

    Returns:
        Such as `"40,000 rows (10,000 examples × 4 views) of 22 bytes: 880,128 bytes in
        targets, 43.1 GB free"`.
    """
    layout, total = manifest.layout, store_bytes(folder, manifest)
    views = f"{layout.views} view{'s' if layout.views > 1 else ''}"
    return (
        f"{layout.rows:,} rows ({layout.examples:,} examples × {views}) of "
        f"{manifest.row_bytes:,} bytes: {total:,} bytes in {folder.name or folder}, "
        f"{size_of(free_bytes(folder))} free"
    )
