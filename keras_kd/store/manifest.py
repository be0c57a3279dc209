"""What a store is: rows, fields, and whose they are; a text that proves itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_kd.files import written_together
from keras_kd.store.fields import Leaf
from keras_kd.store.layout import MANIFEST, Layout

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says; equal inputs give equal bytes.

    Args:
        layout: the `Layout`.
        leaves: tuple of `Leaf`.
        batch_size: int, examples the teacher saw together.
        seed: int, of the views.
        identities: dict from `"teacher"`, `"data"`, `"preprocess"`, `"augment"` to
            what tells one from another (see `fingerprints`).
        notes: dict of what else is known, such as the engine and its agreement.
    """

    layout: Layout
    leaves: tuple[Leaf, ...]
    batch_size: int
    seed: int
    identities: Mapping[str, Any]
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

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
        fields = self.to_dict()
        text = json.dumps(fields | {"sha256": _digest(fields)}, indent=1)
        with written_together() as write:
            write(folder / MANIFEST, text.encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read and prove `manifest.json`.

        Raises:
            FileNotFoundError: where the folder is no store.
            ValueError: where the text is damaged, or of another format.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} is no store of targets: it has no {MANIFEST}."
            )
        try:
            fields = json.loads(path.read_bytes())
            told = fields.pop("sha256")
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: it is no manifest.") from error
        if told != _digest(fields):
            raise ValueError(f"{path} is damaged: its checksum does not fit its text.")
        if fields["format"] != FORMAT:
            raise ValueError(
                f"{path} has format {fields['format']}; this version reads {FORMAT}."
            )
        return cls(
            Layout(**fields["layout"]),
            tuple(Leaf.from_dict(leaf) for leaf in fields["leaves"]),
            fields["batch_size"],
            fields["seed"],
            fields["identities"],
            fields["notes"],
        )


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
