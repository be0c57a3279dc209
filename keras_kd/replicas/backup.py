"""A training that goes on where it was killed, in all workers at the same epoch."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import keras

from keras_kd.replicas.agreement import of_all_workers
from keras_kd.replicas.workers import worker_folder

KEPT = 2
"""Epochs that are kept: a worker is at most one epoch behind another."""


class Backup(keras.callbacks.Callback):
    """Keeps the training at each epoch's end, and goes on from there after a kill.

    As `keras.callbacks.BackupAndRestore`, and for several workers: each writes files
    of its own, whole or not at all, and all go on from the last epoch that every one
    of them has. The weights, the optimizer and the epoch are then those of a training
    that nothing disturbed.

    Args:
        folder: path of the folder; the same in all workers.
        delete: bool. What was kept is removed when the training has ended.
            Defaults to True.

    Example:

    ```python
    distiller.fit(x, y, epochs=2, callbacks=[keras_kd.replicas.Backup("backup")])
    ```
    """

    def __init__(self, folder: str | os.PathLike[str], delete: bool = True):
        super().__init__()
        self.folder = Path(folder)
        self.delete = bool(delete)

    def on_train_begin(self, logs=None):
        self._own = worker_folder(self.folder)
        kept = epochs_in(self._own)
        last = int(self._of_all([max(kept, default=0)]).min())
        for epoch in kept:
            if epoch > last:
                kept[epoch].unlink()
        if not last:
            return
        if last not in kept:
            raise ValueError(
                f"The workers' backups in {str(self.folder)!r} have no epoch in "
                f"common, this worker has {sorted(kept)} and another ends at {last}: "
                "they are not of one training; remove them."
            )
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self.model.load_weights(kept[last])
        self.model._initial_epoch = last

    def on_epoch_end(self, epoch, logs=None):
        path = self._own / f"epoch_{epoch + 1}.weights.h5"
        partial = self._own / "partial.weights.h5"
        self.model.save_weights(partial, overwrite=True)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        for old in sorted(kept := epochs_in(self._own))[:-KEPT]:
            kept[old].unlink()

    def on_train_end(self, logs=None):
        self._of_all([0])  # nobody needs it any more
        if self.delete:
            shutil.rmtree(self._own, ignore_errors=True)

    def _of_all(self, values):
        return of_all_workers(self.model.distribute_strategy, values)


def epochs_in(folder: Path) -> dict[int, Path]:
    """The files of a folder, by the number of epochs that they have behind them."""
    found = {}
    for path in folder.iterdir():
        match = re.fullmatch(r"epoch_(\d+)\.weights\.h5", path.name)
        if match:
            found[int(match[1])] = path
    return found
