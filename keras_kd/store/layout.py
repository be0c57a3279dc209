"""Which row of a store holds which view of which example, and the names of its files.

row = view · examples + example           range r: rows r·size … (r+1)·size − 1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.validation import positive_int

MANIFEST, CHECKSUMS = "manifest.json", "checksums.json"
DONE, LOCKS = "done", "locks"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The rows of a store.

    Args:
        examples: int, how many examples the data has.
        views: int, how many views of each.
        range_rows: int, rows that are labelled, checked and lost together.
    """

    examples: int
    views: int = 1
    range_rows: int = 1024

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            positive_int(field.name, getattr(self, field.name))

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.examples * self.views

    @property
    def ranges(self) -> int:
        """How many ranges they make; the last may be shorter."""
        return -(-self.rows // self.range_rows)

    def rows_of(self, number: int) -> range:
        """The rows of a range."""
        first = number * self.range_rows
        return range(first, min(first + self.range_rows, self.rows))

    def batches(self, number: int, batch_size: int) -> Iterator[range]:
        """The rows of a range in batches, the same ones whoever labels it."""
        rows = self.rows_of(number)
        for first in range(rows.start, rows.stop, batch_size):
            yield range(first, min(first + batch_size, rows.stop))

    def row(self, example: Any, view: Any) -> Any:
        """The rows of examples (int or int array) under a view, counted from 0."""
        return np.asarray(view) % self.views * self.examples + np.asarray(example)

    def place(self, row: Any) -> tuple[Any, Any]:
        """`(example, view)` of rows."""
        return np.asarray(row) % self.examples, np.asarray(row) // self.examples


def done_mark(folder: Path, number: int) -> Path:
    """The file that says that a range is finished."""
    return folder / DONE / f"{number:08d}.json"


def lock_file(folder: Path, number: int) -> Path:
    """The file whose lock its writer holds."""
    return folder / LOCKS / f"{number:08d}.lock"


def store_lock(folder: Path) -> Path:
    """The file whose lock is held by who makes or closes the store."""
    return folder / LOCKS / "store.lock"
