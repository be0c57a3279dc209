"""One `.npy` file of a store: a header that follows from the manifest, then rows."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import math
import os
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras_kd.store.manifest import Manifest

CHUNK = 1 << 20
"""Bytes that are read at once to sum them, so that the memory stays flat."""


@dataclasses.dataclass(frozen=True)
class RowsFile:
    """Rows of one shape and type, preallocated, written in place, read by mapping.

    The header is compared, never parsed: nothing in the file is trusted.

    Args:
        path: Path of the file.
        shape: tuple of ints, of one row.
        dtype: str, such as `"float16"`; the bytes are little-endian everywhere.
        rows: int, how many.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    rows: int

    @property
    def stored_dtype(self) -> np.dtype:
        """The type of the numbers as they lie on the disk."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape) * self.stored_dtype.itemsize

    @property
    def header(self) -> bytes:
        """The first bytes, a multiple of 64, as `numpy.lib.format` 1.0 has them."""
        words = {
            "descr": np.lib.format.dtype_to_descr(self.stored_dtype),
            "fortran_order": False,
            "shape": (self.rows, *self.shape),
        }
        text = "{" + "".join(f"{key!r}: {words[key]!r}, " for key in words) + "}"
        length = -(-(10 + len(text) + 1) // 64) * 64
        line = text.ljust(length - 11).encode("latin1") + b"\n"
        return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.rows * self.row_bytes

    def problem(self) -> str | None:
        """What is wrong with the file besides its rows, or None."""
        if not self.path.is_file():
            return "is missing"
        size = self.path.stat().st_size
        if size != self.size:
            return f"has {size:,} bytes and not {self.size:,}"
        with open(self.path, "rb") as file:
            if file.read(len(self.header)) != self.header:
                return "has a damaged header"
        return None

    def make(self) -> None:
        """Reserve the whole file on the disk; it appears at once, its rows zero.

        Raises:
            OSError: where the disk has no room for it; nothing is left then.
        """
        name = f".{self.path.name}.{uuid.uuid4().hex[:8]}.tmp"
        temporary = self.path.with_name(name)
        try:
            with _opened(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL) as descriptor:
                reserve(descriptor, self.size)
                write_at(descriptor, self.header, 0)
                os.fsync(descriptor)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def mend(self) -> None:
        """Give a damaged file its size and header again; the rows stay as they are."""
        if not self.path.is_file():
            return self.make()
        with self.opened() as descriptor:
            os.ftruncate(descriptor, self.size)
            reserve(descriptor, self.size)
            write_at(descriptor, self.header, 0)
            os.fsync(descriptor)

    def opened(self) -> contextlib.AbstractContextManager[int]:
        """A context manager that gives a descriptor to write by."""
        return _opened(self.path, os.O_RDWR)

    def bytes_of(self, array: np.ndarray) -> memoryview:
        """What is written for rows.

        Raises:
            ValueError: where the rows have another shape.
        """
        array = np.asarray(array)
        if array.shape[1:] != self.shape:
            raise ValueError(
                f"Rows of {self.path.name} have the shape {self.shape}. "
                f"Received: {array.shape[1:]}."
            )
        whole = np.ascontiguousarray(array, self.stored_dtype)
        return whole.reshape(-1).view("uint8").data

    def place(self, row: int) -> int:
        """The first byte of a row."""
        return len(self.header) + row * self.row_bytes

    def checksum(self, file: BinaryIO, rows: range) -> int:
        """CRC-32 of rows, as they are on the disk."""
        file.seek(self.place(rows.start))
        total, left = 0, len(rows) * self.row_bytes
        while left:
            content = file.read(min(CHUNK, left))
            if not content:
                break
            total, left = zlib.crc32(content, total), left - len(content)
        return total

    def mapped(self) -> np.ndarray:
        """The rows, read from the disk as they are used."""
        shape = (self.rows, *self.shape)
        if not self.row_bytes:
            return np.zeros(shape, self.stored_dtype)
        start = len(self.header)
        # A plain array: indexing a memmap costs as much again.
        return np.asarray(np.memmap(self.path, self.stored_dtype, "r", start, shape))


def rows_files(folder: Path, manifest: Manifest) -> dict[tuple[str, str], RowsFile]:
    """The files of a store, by the leaf's stem and the array's name."""
    files: dict[tuple[str, str], RowsFile] = {}
    for leaf in manifest.leaves:
        arrays: dict[str, Any] = leaf.field.arrays
        for name, file in leaf.files().items():
            shape, dtype = arrays[name]
            path, rows = folder / file, manifest.layout.rows
            files[leaf.stem, name] = RowsFile(path, tuple(shape), dtype, rows)
    return files


def write_at(descriptor: int, content: bytes | memoryview, place: int) -> None:
    """Write all of `content` from a place on; a short write goes on, or raises."""
    content = memoryview(content)
    while content:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, content, place)
        else:  # Windows
            os.lseek(descriptor, place, os.SEEK_SET)
            written = os.write(descriptor, content)
        if written <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content, place = content[written:], place + written


def reserve(descriptor: int, size: int) -> None:
    """Have the disk set the bytes of a file aside, where the system can."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    # Without: rows are written and never mapped for it, so a full disk is an error.
    os.ftruncate(descriptor, size)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
