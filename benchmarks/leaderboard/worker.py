"""One of several processes that distill together, for the regime `two_workers`.

python worker.py FOLDER SEED
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from keras_kd import replicas

strategy = replicas.strategy()  # before anything else of TensorFlow

import keras  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent))

from keras_kd import Distiller, methods  # noqa: E402
from leaderboard.boards import Training  # noqa: E402


def main(folder: Path, seed: int) -> None:
    """Distill the student in `folder`; the first worker writes `trained.keras`."""
    data = np.load(folder / "data.npz")
    budget = Training(**json.loads((folder / "budget.json").read_text("utf-8")))
    with strategy.scope():
        teacher = keras.models.load_model(folder / "teacher.keras")
        student = keras.models.load_model(folder / "student.keras")
        student = replicas.synchronized(student)
        distiller = Distiller(teacher, student, methods.hinton(weight=1.0))
        budget.compiled(distiller, len(data["x"]))
    backup = replicas.Backup(folder / "backup")
    budget.fit(distiller, data["x"], data["y"], seed, [backup])
    if replicas.is_chief():
        student.save(folder / "trained.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
