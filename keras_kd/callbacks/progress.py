"""Lines that show how a training goes on."""

from __future__ import annotations

import math
import time

import keras

from keras_kd.validation import positive_int


class ProgressLines(keras.callbacks.Callback):
    """Prints a line for some of the epochs, with the seconds that have passed.

    Args:
        lines: int, about how many lines in all; the last epoch has one. Defaults
            to 10.
        prefix: str, what each line begins with. Defaults to none.

    Example:

    ```python
    model.fit(x, y, epochs=100, verbose=0, callbacks=[ProgressLines()])
    ```
    """

    def __init__(self, lines: int = 10, prefix: str = ""):
        super().__init__()
        self.lines = positive_int("lines", lines)
        self.prefix = prefix
        self._begin = 0.0

    def on_train_begin(self, logs=None):
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        epochs = self.params.get("epochs") or epoch + 1
        number = epoch + 1
        if number % math.ceil(epochs / self.lines) and number != epochs:
            return
        width = len(str(epochs))
        values = "  ".join(f"{k} {float(v):.4f}" for k, v in (logs or {}).items())
        seconds = time.perf_counter() - self._begin
        print(
            f"{self.prefix}epoch {number:{width}}/{epochs}  {values}  {seconds:.1f} s",
            flush=True,
        )
