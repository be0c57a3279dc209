"""The same distillation by two processes, each of which sees half of every batch."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_kd.cli.group import launch_group

from .setting import Setting, regime

WORKER = Path(__file__).parent.parent / "worker.py"


@regime("two_workers", "one teacher as above, by two processes that train together")
def two_workers(setting: Setting):
    student = setting.student()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting.teacher.save(folder / "teacher.keras")
        student.save(folder / "student.keras")
        np.savez(folder / "data.npz", x=setting.x, y=setting.y)
        budget = json.dumps(dataclasses.asdict(setting.board.learning))
        (folder / "budget.json").write_text(budget, encoding="utf-8")
        code = launch_group(str(WORKER), [name, str(setting.seed)], workers=2)
        if code:
            raise RuntimeError(f"The workers ended with exit code {code}.")
        setting.passes += setting.board.learning.epochs
        return keras.models.load_model(folder / "trained.keras")
