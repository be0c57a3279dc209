"""A training that is killed, and the one that goes on from it."""

import keras
import numpy as np
import pytest


class Killed(Exception):
    """What ends a training from inside."""


class Kill(keras.callbacks.Callback):
    """Ends a training as an epoch begins."""

    def __init__(self, epoch=2):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


def killed_and_resumed(run, folder, *callbacks):
    """`run(*callbacks)` after it was killed in its third epoch, resumed from `folder`.

    Args:
        run: a function of callbacks that trains anew.
        folder: where the backup is kept.
        callbacks: of the resumed run besides.

    Returns:
        What the resumed run returned.
    """
    with pytest.raises(Killed):
        run(keras.callbacks.BackupAndRestore(folder), Kill())
    return run(keras.callbacks.BackupAndRestore(folder), *callbacks)


def same_weights(first, second):
    """Two models have weights of the same bits."""
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
