"""Writing the rows of a range, and marking it done once they are on the disk.

    claim (lock) → write rows → fsync → done mark, all or nothing → … → checksums.json

Killed at any byte, a range is either marked, and whole, or written anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.store.layout import DONE, LOCKS, lock_file, store_lock
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import (
    Mark,
    binding,
    done_ranges,
    is_complete,
    is_done,
    write_checksums,
    write_mark,
)
from keras_kd.store.rows.creation import sweep
from keras_kd.store.rows.full_disk import telling_full_disk
from keras_kd.store.rows.locks import StoreBusyError, locked
from keras_kd.store.rows.rows_file import rows_files, write_at


class RangeWriter:
    """Writes rows into the files of a store; each range is one transaction.

    Args:
        folder: Path of a store that `create` has made.
        manifest: its `Manifest`.

    Raises:
        FileNotFoundError: where a file is missing; `create` makes it.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: Manifest):
        self.folder, self.manifest = Path(folder), manifest
        self._files = rows_files(self.folder, manifest)
        self._manifest_name = binding(manifest)
        self._claimed: int | None = None
        self._next = 0
        self._sums: dict[str, int] = {}
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._descriptors = {
                key: stack.enter_context(file.opened())
                for key, file in self._files.items()
            }
            self._open = stack.pop_all()

    def __enter__(self) -> RangeWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def undone(self, shard: tuple[int, int] = (0, 1)) -> list[int]:
        """The ranges of a shard that are not done.

        Args:
            shard: `(i, n)`: the ranges whose number leaves i when divided by n.
                Defaults to `(0, 1)`: all.
        """
        index, count = shard
        done = done_ranges(self.folder, self.manifest)
        every = range(index, self.manifest.layout.ranges, count)
        return [number for number in every if number not in done]

    @contextlib.contextmanager
    def claim(self, number: int) -> Iterator[None]:
        """Hold a range, so that no other process writes it.

        Raises:
            StoreBusyError: where another process writes it, or has finished it.
        """
        if self._claimed is not None:
            raise RuntimeError(f"Range {self._claimed} is claimed and not finished.")
        rows = self.manifest.layout.rows_of(number)
        who = f"rows {rows.start} to {rows.stop - 1} of {self.folder}"
        self._refuse_done(number, who)
        busy = f"Another process is writing {who}: let it end, or take another shard."
        with telling_full_disk(self.folder, self.manifest):
            lock = contextlib.ExitStack()
            lock.enter_context(locked(lock_file(self.folder, number), busy))
        with lock:
            self._refuse_done(number, who)
            self._claimed, self._next = number, rows.start
            self._sums = {file.path.name: 0 for file in self._files.values()}
            try:
                yield
            finally:
                self._claimed = None

    def write(self, rows: range, features: Mapping[str, np.ndarray]) -> None:
        """Encode and write the next rows of the claimed range.

        Args:
            rows: which.
            features: dict from a leaf's stem to an array `(len(rows), …)`.

        Raises:
            ValueError: where these are not the next rows, or not their number.
            StoreFullError: where the disk is full.
        """
        number = self._held()
        last = self.manifest.layout.rows_of(number).stop
        if rows.start != self._next or rows.stop > last or rows.step != 1:
            raise ValueError(
                f"The next rows of range {number} begin at {self._next} and end before "
                f"{last}. Received: {rows}."
            )
        for leaf in self.manifest.leaves:
            for name, array in leaf.field.encode(features[leaf.stem]).items():
                if len(array) != len(rows):
                    raise ValueError(
                        f"{len(rows)} rows of {leaf.stem!r} are due. "
                        f"Received: {len(array)}."
                    )
                file = self._files[leaf.stem, name]
                content = file.bytes_of(array)
                with telling_full_disk(self.folder, self.manifest):
                    place = file.place(rows.start)
                    write_at(self._descriptors[leaf.stem, name], content, place)
                key = file.path.name
                self._sums[key] = zlib.crc32(content, self._sums[key])
        self._next = rows.stop

    def finish(self, number: int) -> None:
        """Bring the claimed range to the disk, and mark it as done.

        Raises:
            ValueError: where rows of it were not written.
            StoreFullError: where the disk is full.
        """
        last = self.manifest.layout.rows_of(number).stop
        if self._held() != number or self._next != last:
            raise ValueError(
                f"Range {number} is not written to its end: the next row of range "
                f"{self._claimed} is {self._next}."
            )
        with telling_full_disk(self.folder, self.manifest):
            for descriptor in self._descriptors.values():
                os.fsync(descriptor)
            write_mark(self.folder, Mark(number, self._sums, self._manifest_name))

    def complete(self) -> bool:
        """Close the store, where all its ranges are done.

        Their marks become `checksums.json`; what only writers need is removed.

        Returns:
            Whether the store is complete.
        """
        with telling_full_disk(self.folder, self.manifest):
            with locked(store_lock(self.folder)):
                if not is_complete(self.folder, self.manifest):
                    marks = done_ranges(self.folder, self.manifest)
                    if len(marks) < self.manifest.layout.ranges:
                        return False
                    write_checksums(self.folder, marks.values())
                    sync_folder(self.folder)
                shutil.rmtree(self.folder / DONE, ignore_errors=True)
                sweep(self.folder)
                # Under the lock: who waits for it sees that its file is gone.
                shutil.rmtree(self.folder / LOCKS, ignore_errors=True)
            if os.name == "nt":  # Windows keeps a file that is open.
                shutil.rmtree(self.folder / LOCKS, ignore_errors=True)
        return True

    def _held(self) -> int:
        if self._claimed is None:
            raise RuntimeError("Rows are written inside `with writer.claim(number):`.")
        return self._claimed

    def _refuse_done(self, number, who):
        if is_done(self.folder, self.manifest, number):
            raise StoreBusyError(f"Another process has just finished {who}.")


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
