"""Saving the student while it trains, so that nothing is lost when killed."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import keras

from keras_kd.validation import did_you_mean, non_negative, one_of

HIGHER_IS_BETTER = ("acc", "auc", "agreement", "precision", "recall", "f1", "iou")
LOWER_IS_BETTER = ("loss", "error", "kl", "mse", "mae", "perplexity")


class StudentCheckpoint(keras.callbacks.Callback):
    """Saves the student at the end of epochs, so that nothing is lost when killed.

    Of a Distiller it saves `distiller.student`, of any other model the model itself.
    The file is written beside its place and then renamed: there is always a whole
    one, the last or the one before.

    Args:
        path: path that ends in `.keras`. Its folder is made.
        monitor: str, a name in the logs: save only when it improved. Defaults to
            None: save at every epoch's end.
        mode: `"min"`, `"max"`, or `"auto"`, by the monitor's name. Defaults to
            `"auto"`.
        seconds: float. Without a monitor, save no more often than this; the end of
            the training always. Defaults to 0: at every epoch's end.

    Raises:
        ValueError: for another suffix or mode, a monitor that `"auto"` cannot
            place, or one that the logs do not have.

    Example:

    ```python
    keep = StudentCheckpoint("student.keras", monitor="val_accuracy")
    distiller.fit(x, y, validation_data=(x_val, y_val), callbacks=[keep])
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str | None = None,
        mode: str = "auto",
        seconds: float = 0.0,
    ):
        super().__init__()
        self.path = Path(path)
        if self.path.suffix != ".keras":
            raise ValueError(
                f"`path` must end in '.keras'. Received: path={str(path)!r}."
            )
        self.monitor = monitor
        self.mode = one_of("mode", mode, ("auto", "min", "max"))
        self._sign = 0 if monitor is None else _sign(monitor, mode)
        self.seconds = non_negative("seconds", seconds)
        self.best: float | None = None
        self._saved_at = -math.inf
        self._unsaved = False

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor is not None:
            due = self._improved(logs or {})
        else:
            due = time.monotonic() - self._saved_at >= self.seconds
            self._unsaved = not due
        if due:
            self._save()

    def on_train_end(self, logs=None):
        if self._unsaved:
            self._save()

    def _save(self) -> None:
        save_model(getattr(self.model, "student", self.model), self.path)
        self._saved_at, self._unsaved = time.monotonic(), False

    def _improved(self, logs: dict[str, Any]) -> bool:
        if self.monitor not in logs:
            raise ValueError(
                f"`monitor` is not in the logs. Available: {sorted(logs)}. Received: "
                f"monitor={self.monitor!r}.{did_you_mean(self.monitor, logs)}"
            )
        value = float(logs[self.monitor])
        if math.isnan(value):
            return False
        if self.best is not None and self._sign * (value - self.best) <= 0:
            return False
        self.best = value
        return True


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> Path:
    """Save a model whole or not at all: written beside its place, then renamed.

    Args:
        model: a built `keras.Model`.
        path: path that ends in `.keras`. Its folder is made.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name, so that what a killed process left is overwritten by the next.
    temporary = path.with_name(f".{path.stem}.partial.keras")
    try:
        model.save(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _sign(monitor: str, mode: str) -> int:
    """1 where more is better, -1 where less is."""
    if mode != "auto":
        return 1 if mode == "max" else -1
    for words, sign in ((LOWER_IS_BETTER, -1), (HIGHER_IS_BETTER, 1)):
        if any(word in monitor.lower() for word in words):
            return sign
    raise ValueError(
        f"`mode` must be 'min' or 'max' for monitor={monitor!r}: its name does not say "
        "which is better. Received: mode='auto'."
    )
