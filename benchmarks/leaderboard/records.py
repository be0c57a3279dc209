"""Runs that are done, as files: a stopped leaderboard goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from phone.cache import Cache

from .boards import Board
from .entries import Entry, Setting


class Records:
    """The runs of one board, in a folder whose name holds a hash of its settings.

    A run is a file `<method>-<hash of its call>_<seed>.json`, written whole when the
    run is done. Runs of other settings have other names, and are not read.

    Args:
        folder: path of the records of all boards.
        board: a `Board`.
    """

    def __init__(self, folder: Path, board: Board):
        self.board = board
        self.teacher = Cache(folder / "teacher", board.teacher_settings())
        self.runs = Cache(folder / board.name, board.settings())
        # Networks of the right shape, to call methods on without the data.
        teacher, student = board.networks()
        self.setting = Setting(
            teacher=teacher,
            student=student,
            labels=np.arange(board.data.student) % board.data.classes,
            classes=board.data.classes,
            epochs=board.learning.epochs,
        )
        self.parameters = {
            "teacher": teacher.count_params(),
            "student": student.count_params(),
        }

    def settings(self, entry: Entry) -> dict[str, Any]:
        """What a candidate's runs depend on, besides the board and the seed."""
        return entry.settings(self.setting)

    def name(self, entry: Entry, seed: int) -> str:
        text = json.dumps(self.settings(entry), sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{entry.name}-{key}_{seed}"

    def done(self, entry: Entry, seed: int) -> bool:
        """Whether that run need not be run again."""
        return (self.runs.path / f"{self.name(entry, seed)}.json").exists()

    def run(
        self, entry: Entry, seed: int, make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The record of a run, made here if it is not there."""
        return self.runs.record(
            self.name(entry, seed), lambda: {**make(), **self.settings(entry)}
        )

    def of(self, entry: Entry) -> list[dict[str, Any]]:
        """All records of a candidate, by seed."""
        stem = self.name(entry, 0).removesuffix("0")
        found = [
            json.loads(path.read_text())
            for path in self.runs.path.glob(f"{stem}*.json")
        ]
        return sorted(found, key=lambda record: record["seed"])

    def teacher_accuracy(self, make: Callable[[], float]) -> float:
        """Of the trained teacher, on the test images."""
        return self.teacher.record("accuracy", make)
