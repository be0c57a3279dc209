"""What an export leaves behind besides the file."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_kd.export import schema
from keras_kd.export.recipes import Recipe
from keras_kd.export.samples import Batch, batch_length

LIBRARIES = ("keras", "tensorflow", "ai-edge-litert", "numpy")


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """The file that was written, how, and what is in it.

    Args:
        path: Path of the file.
        recipe: The `Recipe` it was written by.
        report: Dict, as in `<stem>.report.json`: `"recipe"`, `"bytes"`,
            `"sha256"`, `"inputs"`, `"outputs"`, `"operators"`, `"tensor_dtypes"`,
            `"float_islands"` (None where floats are meant),
            `"calibration_samples"`, `"calibration"` (what `saturation` found),
            `"auto"` (family and reason), `"probe"` (error on one batch, or on two
            sizes), `"signatures"` (each of several), `"libraries"` and `"notes"`.
    """

    path: Path
    recipe: Recipe
    report: dict[str, Any]


def file_report(
    content: bytes, recipe: Recipe, samples: Sequence[Batch], notes: Sequence[str]
) -> dict[str, Any]:
    """Describe a file by its bytes.

    Args:
        content: The bytes of a .tflite file.
        recipe: The `Recipe` it was made by.
        samples: The calibration batches that were used.
        notes: Sentences about what was done to the model.

    Returns:
        A dict that JSON can hold.
    """
    model = schema.load(content)
    dtypes = schema.tensor_dtypes(model)
    islands = schema.float_islands(model) if recipe.needs_calibration else None
    notes = list(notes)
    notes += island_notes(islands)
    smaller = {"int8": "INT8", "int4": "INT4", "float16": "FLOAT16"}
    wanted = smaller.get(recipe.weights)
    if wanted is not None and wanted not in dtypes:
        notes.append(
            f"No weight became {recipe.weights}: the converter leaves those of fewer "
            "than 1024 elements as they are."
        )
    return {
        "recipe": recipe.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "operators": schema.operators(model),
        "tensor_dtypes": dtypes,
        "float_islands": islands,
        "calibration_samples": sum(batch_length(batch) for batch in samples),
        "libraries": library_versions(),
        "notes": notes,
    }


def island_notes(islands: Sequence[dict[str, Any]] | None) -> list[str]:
    """The sentence on operators of a quantized file that compute with floats."""
    if not islands:
        return []
    names = sorted({island["operator"] for island in islands})
    return [
        f"{len(islands)} operator(s) still compute with floats: {', '.join(names)}."
    ]


def library_versions() -> dict[str, str]:
    """The versions of what took part in the export."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        versions[name] = importlib.metadata.version(name)
    return versions


def as_json(fields: dict[str, Any]) -> bytes:
    """A dict as the bytes of a readable JSON file."""
    return (json.dumps(fields, indent=2) + "\n").encode()


def artifact_path(artifact: str | os.PathLike[str] | ExportResult) -> Path:
    """The path of a file that is there, or of what an export returned."""
    path = artifact.path if isinstance(artifact, ExportResult) else Path(artifact)
    if not path.is_file():
        raise FileNotFoundError(f"`artifact` is not a file: {str(path)!r}.")
    return path
