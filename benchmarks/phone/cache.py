"""Stages that are computed once: a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np


class Cache:
    """A folder of finished stages; its name holds a hash of what they depend on.

    Args:
        folder: path.
        settings: dict that JSON can hold; other settings have another folder.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: dict[str, Any]):
        text = json.dumps(settings, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        self.path = Path(f"{os.fspath(folder)}-{key}")
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "settings.json").write_text(json.dumps(settings, indent=1))

    def arrays(
        self, name: str, make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Named arrays, from the file if it is there."""
        path = self.path / f"{name}.npz"
        if not path.exists():
            made = make()
            with _whole(path) as part, part.open("wb") as file:
                np.savez(file, **made)
        with np.load(path) as stored:
            return dict(stored)

    def trained(
        self, name: str, model: keras.Model, train: Callable[[keras.Model], Any]
    ) -> keras.Model:
        """The model with its trained weights, trained here if they are not there."""
        path = self.path / f"{name}.weights.h5"
        if path.exists():
            model.load_weights(path)
            return model
        train(model)
        part = path.with_name(f"part_{path.name}")  # Keras wants the suffix
        model.save_weights(part)
        part.replace(path)
        return model

    def record(self, name: str, make: Callable[[], Any]) -> Any:
        """What JSON can hold, from the file if it is there."""
        path = self.path / f"{name}.json"
        if not path.exists():
            made = json.dumps(make(), indent=1)
            with _whole(path) as part:
                part.write_text(made)
        return json.loads(path.read_text())


class _whole:
    """A path to write to that takes its name only when all is written."""

    def __init__(self, path: Path):
        self.path, self.part = path, path.with_name(f"{path.name}.part")

    def __enter__(self) -> Path:
        return self.part

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)
