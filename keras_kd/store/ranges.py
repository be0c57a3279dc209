"""Writing the rows of a range, and marking it done once they are on the disk."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.files import written_together
from keras_kd.store.layout import done_mark
from keras_kd.store.manifest import Manifest


class RangeWriter:
    """Writes rows into the files of a store; each range is one transaction.

    Args:
        folder: Path of a store whose manifest is written.
        manifest: its `Manifest`.
    """

    def __init__(self, folder: Path, manifest: Manifest):
        self.folder, self.manifest = folder, manifest
        self._files = {
            (leaf.stem, name): open_file(
                folder / file, leaf.field.arrays[name], manifest
            )
            for leaf in manifest.leaves
            for name, file in leaf.files().items()
        }

    def write(self, rows: range, features: Mapping[str, np.ndarray]) -> None:
        """Encode and write consecutive rows.

        Args:
            rows: which.
            features: dict from a leaf's stem to an array `(len(rows), …)`.
        """
        for leaf in self.manifest.leaves:
            for name, array in leaf.field.encode(features[leaf.stem]).items():
                file, start = self._files[leaf.stem, name]
                content = np.ascontiguousarray(array).tobytes()
                each = len(content) // len(rows)
                written = os.pwrite(file, content, start + rows.start * each)
                if written != len(content):
                    raise OSError(28, "No space left on device")

    def finish(self, number: int) -> None:
        """Bring a range to the disk, and mark it as done with its checksums."""
        rows = self.manifest.layout.rows_of(number)
        sums = {}
        for leaf in self.manifest.leaves:
            for name, file in leaf.files().items():
                handle, start = self._files[leaf.stem, name]
                os.fsync(handle)
                shape, dtype = leaf.field.arrays[name]
                each = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
                content = os.pread(handle, each * len(rows), start + rows.start * each)
                sums[file] = zlib.crc32(content)
        text = json.dumps({"range": number, "crc32": sums}, sort_keys=True)
        with written_together() as write:
            write(done_mark(self.folder, number), text.encode())

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._files.values():
            os.close(file)


def open_file(
    path: Path, array: tuple[Any, str], manifest: Manifest
) -> tuple[int, int]:
    """`(descriptor, first byte of the rows)` of an `.npy` file, made if missing."""
    shape, dtype = array
    whole = (manifest.layout.rows, *shape)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        made = np.lib.format.open_memmap(temporary, "w+", np.dtype(dtype), whole)
        del made
        os.replace(temporary, path)
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    return os.open(path, os.O_RDWR), start
