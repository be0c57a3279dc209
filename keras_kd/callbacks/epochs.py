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
    """Assigns the epoch to a variable as each begins, `initial_epoch` included.

    Args:
        counter: of `epoch_counter`.
        passes: what counts the passes over the training data, such as the `epochs` of
            a store's dataset: its `next` is the epoch as well. Defaults to None.
    """

    def __init__(self, counter: keras.Variable, passes: Any = None):
        super().__init__()
        self.counter, self.passes = counter, passes

    def on_epoch_begin(self, epoch, logs=None):
        self.counter.assign(epoch)
        if self.passes is not None:
            self.passes.next = epoch


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
    passes = getattr(given.get("x"), "epochs", None)
    passes = passes if hasattr(passes, "next") else None
    if passes is not None:
        # Such a dataset shuffles by itself; Keras would warn that it does not.
        given.setdefault("shuffle", False)
    callbacks, counting = given.get("callbacks"), EpochCounter(counter, passes)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        # Keras takes it as it is, and so may the next `fit`.
        theirs = [c for c in callbacks.callbacks if not isinstance(c, EpochCounter)]
        callbacks.callbacks = [counting, *theirs]
        return given
    return {**given, "callbacks": [counting, *keras.tree.flatten(callbacks or [])]}
