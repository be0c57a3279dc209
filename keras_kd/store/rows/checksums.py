"""Done marks: which ranges are finished, and what their bytes sum to.

A mark is one line of JSON that proves itself and names the manifest it belongs to.
While a store is labelled, each range has a mark in a file of its own; in the end
`checksums.json` holds the same lines, in the order of the ranges.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from keras_kd.files import written_together
from keras_kd.store.canonical import canonical
from keras_kd.store.layout import CHECKSUMS, DONE, done_mark
from keras_kd.store.manifest import Manifest

DIGITS = 16
"""Hexadecimal digits by which a mark names its manifest."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """A finished range.

    Args:
        number: int, the range.
        sums: dict from a file's name to the CRC-32 of the range's bytes in it.
        manifest: str, the `binding` of the manifest.
    """

    number: int
    sums: Mapping[str, int]
    manifest: str

    @property
    def text(self) -> str:
        """The mark as one line; equal marks give equal bytes."""
        told = {"crc32": self.sums, "manifest": self.manifest, "range": self.number}
        proof = zlib.crc32(canonical(told).encode())
        return canonical({**told, "proof": proof})

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """The mark that a text is; None where it is none, or damaged."""
        try:
            told: Any = json.loads(text)
            mark = cls(told["range"], told["crc32"], told["manifest"])
            return mark if mark.text == text else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def binding(manifest: Manifest) -> str:
    """What tells the manifest that a mark belongs to; its notes do not count."""
    told = {key: value for key, value in manifest.to_dict().items() if key != "notes"}
    return hashlib.sha256(canonical(told).encode()).hexdigest()[:DIGITS]


def write_mark(folder: Path, mark: Mark) -> None:
    """Mark a range as finished, whole or not at all."""
    with written_together() as write:
        write(done_mark(folder, mark.number), mark.text.encode())


def write_checksums(folder: Path, marks: Iterable[Mark]) -> None:
    """Write `checksums.json` of some ranges, whole or not at all."""
    with written_together() as write:
        write(folder / CHECKSUMS, _document(marks).encode())


def all_marks(folder: Path) -> dict[int, Mark]:
    """The undamaged marks of a store by range, whatever manifest they belong to."""
    found: dict[int, Mark] = {}
    if (folder / CHECKSUMS).is_file():
        for mark in _lines((folder / CHECKSUMS).read_bytes()):
            found[mark.number] = mark
    if (folder / DONE).is_dir():
        for path in sorted((folder / DONE).glob("*.json")):
            marked = _read_mark(path)
            if marked is not None:
                found[marked.number] = marked
    return found


def done_ranges(folder: Path, manifest: Manifest) -> dict[int, Mark]:
    """The marks that hold for a manifest, by range."""
    marks, holds = all_marks(folder), _holder(manifest)
    return {number: mark for number, mark in sorted(marks.items()) if holds(mark)}


def is_done(folder: Path, manifest: Manifest, number: int) -> bool:
    """Whether a range's mark holds for a manifest."""
    if (folder / CHECKSUMS).is_file():
        return number in done_ranges(folder, manifest)
    path = done_mark(folder, number)
    mark = _read_mark(path) if path.is_file() else None
    return mark is not None and _holder(manifest)(mark)


def is_sound(folder: Path, manifest: Manifest) -> bool:
    """Whether `checksums.json` is what was written, be it of some ranges only."""
    content = (folder / CHECKSUMS).read_bytes()
    own = filter(_holder(manifest), _lines(content))
    return content == _document(own).encode()


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether `checksums.json` stands, undamaged, with all ranges."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return False
    marks = done_ranges(folder, manifest)
    whole = len(marks) == manifest.layout.ranges
    return whole and path.read_bytes() == _document(marks.values()).encode()


def _lines(content: bytes) -> list[Mark]:
    """The undamaged lines of `checksums.json`."""
    lines = content.decode("utf-8", "replace").split("\n")
    marks = [Mark.parse(line.removesuffix(",")) for line in lines]
    return [mark for mark in marks if mark is not None]


def _read_mark(path: Path) -> Mark | None:
    mark = Mark.parse(path.read_bytes().decode("utf-8", "replace"))
    named = mark is not None and path.name == done_mark(path, mark.number).name
    return mark if named else None


def _holder(manifest: Manifest) -> Callable[[Mark], bool]:
    """A function that tells whether a mark is of this manifest."""
    own = binding(manifest)
    names = {file for leaf in manifest.leaves for file in leaf.files().values()}

    def holds(mark):
        fits = mark.manifest == own and set(mark.sums) == names
        return fits and 0 <= mark.number < manifest.layout.ranges

    return holds


def _document(marks: Iterable[Mark]) -> str:
    """A JSON list with a line for each mark, in the order of the ranges."""
    lines = [mark.text for mark in sorted(marks, key=lambda mark: mark.number)]
    return "[\n" + ",\n".join(lines) + "\n]\n"
