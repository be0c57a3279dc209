"""The names of the files beside a file."""

from __future__ import annotations

from pathlib import Path


def companion(path: Path, kind: str) -> Path:
    """`student.tflite` → `student.recipe.json`, for the kind `"recipe"`."""
    return path.with_name(f"{path.stem}.{kind}.json")
