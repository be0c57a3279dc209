"""Finding the bytes of a store that are not those that were written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from keras_kd.store.layout import CHECKSUMS, Layout, done_mark
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import (
    Mark,
    done_ranges,
    is_complete,
    write_checksums,
)
from keras_kd.store.rows.rows_file import RowsFile, rows_files

NAMED = 3
"""How many damages an error names; the others are counted."""


@dataclasses.dataclass(frozen=True)
class Damage:
    """What is wrong at one place.

    Args:
        file: str, the file's name.
        what: str, the rest of the sentence.
        number: int, the range, or None where all of them are meant.
        rows: range of the rows, or None.
    """

    file: str
    what: str
    number: int | None = None
    rows: range | None = None

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


class DamagedStoreError(ValueError):
    """A store's bytes are not those that were written.

    Args:
        folder: Path or URL of the store.
        damages: list of `Damage`.
        remedy: str, what to do about it.
    """

    REMEDY = (
        "Run `label` again with the same arguments: it labels these rows anew and "
        "leaves the others."
    )

    def __init__(
        self,
        folder: str | os.PathLike[str],
        damages: Sequence[Damage],
        remedy: str | None = None,
    ):
        self.damages = list(damages)
        told = "; ".join(str(damage) for damage in self.damages[:NAMED])
        more = len(self.damages) - NAMED
        told += f"; and {more} more" if more > 0 else ""
        super().__init__(f"{folder} is damaged: {told}. {remedy or self.REMEDY}")


def find_damages(folder: Path, manifest: Manifest) -> list[Damage]:
    """Read all finished ranges and compare them with their checksums.

    It reads every byte once, at the speed of the disk, in a flat memory.

    Returns:
        List of `Damage`: files that are missing or have another size or header, and
        ranges whose bytes have changed.
    """
    layout, marks = manifest.layout, done_ranges(folder, manifest)
    files = rows_files(folder, manifest).values()
    found = file_damages(files)
    for file in files:
        if not file.path.is_file():
            continue
        name = file.path.name
        for number in changed_ranges(file, layout, marks):
            rows = layout.rows_of(number)
            where = f"range {number} (rows {rows.start} to {rows.stop - 1})"
            found.append(Damage(name, f"has changed in {where}", number, rows))
    return found


def changed_ranges(
    file: RowsFile, layout: Layout, marks: Mapping[int, Mark], name: str | None = None
) -> Iterator[int]:
    """The ranges whose bytes in a file are not those of their marks.

    Args:
        file: `RowsFile`, which must be there.
        layout: the store's `Layout`.
        marks: the finished ranges' `Mark`s, by range.
        name: by which the marks call the file. Defaults to None: its own.
    """
    with open(file.path, "rb") as content:
        for number, mark in marks.items():
            sums = file.checksum(content, layout.rows_of(number))
            if sums != mark.sums[name or file.path.name]:
                yield number


def file_damages(files: Iterable[RowsFile]) -> list[Damage]:
    """What is wrong with files besides their rows."""
    problems = [(file.path.name, file.problem()) for file in files]
    return [Damage(name, what) for name, what in problems if what is not None]


def checksums_damage(folder: Path, manifest: Manifest) -> list[Damage]:
    """What is wrong with `checksums.json` of a store that has one, by itself."""
    if not (folder / CHECKSUMS).is_file() or is_complete(folder, manifest):
        return []
    marks = done_ranges(folder, manifest)
    lost = [n for n in range(manifest.layout.ranges) if n not in marks]
    if not lost:
        return [Damage(CHECKSUMS, "is damaged")]
    first = lost[0]
    rows = manifest.layout.rows_of(first)
    what = (
        f"has no valid sums of {len(lost)} of {manifest.layout.ranges} ranges, such as "
        f"range {first} (rows {rows.start} to {rows.stop - 1})"
    )
    return [Damage(CHECKSUMS, what, first, rows)]


def reopen(folder: Path, manifest: Manifest, numbers: Iterable[int]) -> None:
    """Take ranges for unfinished, so that they are labelled anew.

    Their marks go first: killed in between, the store is as damaged as before.
    """
    numbers = set(numbers)
    for number in numbers:
        done_mark(folder, number).unlink(missing_ok=True)
    if (folder / CHECKSUMS).is_file():
        kept = done_ranges(folder, manifest)
        write_checksums(folder, (m for n, m in kept.items() if n not in numbers))


def mend(folder: Path, manifest: Manifest) -> list[int]:
    """Make a store labellable again: whole files, and only ranges that are sound done.

    An unfinished store with whole files is taken as it is: what it holds is checked
    when it is finished and opened.

    Returns:
        List of the ranges that were found damaged and are to be labelled anew.
    """
    files = rows_files(folder, manifest).values()
    broken = [file for file in files if file.problem() is not None]
    finished = (folder / CHECKSUMS).is_file()
    bad: set[int] = set()
    if broken or finished:
        done = done_ranges(folder, manifest)
        damages = find_damages(folder, manifest) if done else []
        bad = {damage.number for damage in damages if damage.number is not None}
        if any(not file.path.is_file() for file in broken):
            bad = set(done)
        if bad or (finished and not is_complete(folder, manifest)):
            reopen(folder, manifest, bad)
    for file in broken:
        file.mend()
    return sorted(bad)
