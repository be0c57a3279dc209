"""What a store is: rows, fields, and whose they are; a text that proves itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_kd.files import written_together
from keras_kd.store.canonical import canonical
from keras_kd.store.fields import Leaf
from keras_kd.store.layout import MANIFEST, Layout

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says; equal inputs give equal bytes.

    Args:
        layout: the `Layout`.
        leaves: tuple of `Leaf`; each field tells its precision, and the top k and the
            temperature at which it was kept.
        batch_size: int, examples the teacher saw together.
        seed: int, of the views.
        identities: dict from `"teacher"`, `"data"`, `"augment"` to what tells one from
            another (see `fingerprints`).
        notes: dict of what else is known, such as the engine and its agreement; two
            stores that differ in nothing else hold the same targets.

    Raises:
        TypeError: where JSON does not take the identities or the notes.

    Example:

    ```python
    from keras_kd.store.fields import TopK

    leaf = Leaf("output", (), TopK((1000,), k=10), "output")
    manifest = Manifest(Layout(examples=50000), (leaf,), 64, seed=0, identities={})
    manifest.row_bytes  # 22
    ```
    """

    layout: Layout
    leaves: tuple[Leaf, ...]
    batch_size: int
    seed: int
    identities: Mapping[str, Any]
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("identities", "notes"):
            try:
                plain = json.loads(_compact(getattr(self, name)))
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"`{name}` must hold what JSON takes: {error}. "
                    f"Received: {getattr(self, name)!r}."
                ) from error
            object.__setattr__(self, name, plain)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in all files."""
        return sum(leaf.field.row_bytes for leaf in self.leaves)

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that are stored."""
        return tuple(dict.fromkeys(leaf.tap for leaf in self.leaves))

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it, without the checksum."""
        return {
            "format": FORMAT,
            "layout": dataclasses.asdict(self.layout),
            "leaves": [leaf.to_dict() for leaf in self.leaves],
            "batch_size": self.batch_size,
            "seed": self.seed,
            "identities": dict(self.identities),
            "notes": dict(self.notes),
        }

    def write(self, folder: Path) -> None:
        """Write `manifest.json`, whole or not at all."""
        with written_together() as write:
            write(folder / MANIFEST, _text(self.to_dict()))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read and prove `manifest.json`.

        Raises:
            FileNotFoundError: where the folder is no store.
            ValueError: where the text is damaged, be it by one byte, or of another
                format.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} is no store of targets: it has no {MANIFEST}."
            )
        content = path.read_bytes()
        try:
            fields = json.loads(content)
            told = fields.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"{path} is damaged: it is no manifest.") from error
        if told != _digest(fields):
            raise ValueError(f"{path} is damaged: its checksum does not fit its text.")
        if fields.get("format") != FORMAT:
            raise ValueError(
                f"{path} has format {fields.get('format')}; this version reads "
                f"{FORMAT}."
            )
        if content != _text(fields):
            raise ValueError(f"{path} is damaged: it is not as it was written.")
        return cls(
            Layout(**fields["layout"]),
            tuple(Leaf.from_dict(leaf) for leaf in fields["leaves"]),
            fields["batch_size"],
            fields["seed"],
            fields["identities"],
            fields["notes"],
        )


def _text(fields: Mapping[str, Any]) -> bytes:
    """The file's bytes."""
    whole = {**fields, "sha256": _digest(fields)}
    return (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_compact(fields).encode()).hexdigest()


def _compact(fields: Any) -> str:
    return canonical(fields, allow_nan=False)
