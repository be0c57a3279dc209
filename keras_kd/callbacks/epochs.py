"""The epoch as a number in the graph, for what papers schedule by epochs."""

from __future__ import annotations

import inspect
from typing import Any

import keras

_FIT = inspect.signature(keras.Model.fit)


def epoch_counter() -> keras.Variable:
    """A variable that holds the epoch, counted from 0.

    `fit` moves it; a loop of one's own assigns it.
    """
    return keras.Variable(
        0.0,
        dtype="float32",
        trainable=False,
        autocast=False,
        aggregation="only_first_replica",
        name="epoch",
    )


class EpochCounter(keras.callbacks.Callback):
    """Assigns the epoch to a variable as each begins, `initial_epoch` included."""

    def __init__(self, counter: keras.Variable):
        super().__init__()
        self.counter = counter

    def on_epoch_begin(self, epoch, logs=None):
        self.counter.assign(epoch)


def counting_epochs(
    model: keras.Model, counter: keras.Variable, args: tuple, kwargs: dict[str, Any]
) -> dict[str, Any]:
    """What `fit` was called with, its callbacks moving `counter` as well.

    The counter goes first, so that other callbacks find the epoch that begins.

    Args:
        model: whose `fit` was called.
        counter: of `epoch_counter`.
        args, kwargs: as `fit` received them.

    Returns:
        All of them as keyword arguments.
    """
    given = dict(_FIT.bind(model, *args, **kwargs).arguments)
    del given["self"]
    callbacks, counting = given.get("callbacks"), EpochCounter(counter)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        # Keras takes it as it is, and so may the next `fit`.
        theirs = [c for c in callbacks.callbacks if not isinstance(c, EpochCounter)]
        callbacks.callbacks = [counting, *theirs]
        return given
    return {**given, "callbacks": [counting, *keras.tree.flatten(callbacks or [])]}
