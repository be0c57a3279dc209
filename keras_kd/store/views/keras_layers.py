"""Views by Keras layers, whose seeds follow from the example and the view."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.identity.described import described
from keras_kd.store.views.functions import each
from keras_kd.store.views.views import Views

# They mix an example with whichever others are in its batch.
WITHIN_THE_BATCH = ("MixUp", "CutMix")
# What differs between two layers that make the same views.
NAMES = {"name", "seed", "build_config", "shared_object_id", "registered_name"}


class KerasLayers(Views):
    """A Keras layer or `keras.Sequential` on each example, random by its view alone.

    While an example is made, each `keras.random.SeedGenerator` gives seeds that are
    drawn from the example's own; the layer's own generators do not move.

    Args:
        layer: `keras.layers.Layer`, called with `training=True` on a batch of one.

    Raises:
        ValueError: where a layer mixes examples within the batch.

    Example:

    ```python
    augment = KerasLayers(keras.Sequential([
        keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1),
    ]))
    ```
    """

    def __init__(self, layer: keras.Layer):
        self.layer = layer
        for part in _parts(layer):
            name = type(part).__name__
            if name in WITHIN_THE_BATCH:
                raise ValueError(
                    f"keras.layers.{name} mixes the examples of a batch, and batches "
                    f"differ between epochs. Use keras_kd.store.{name}(alpha, "
                    "num_classes, augment=...), whose partners belong to the view."
                )

    def __call__(self, x, y, drawn, partner):
        def made(example, seed):
            one = keras.tree.map_structure(lambda tensor: tensor[None], example)
            with _seeds_from(seed):
                views = self.layer(one, training=True)
            return keras.tree.map_structure(lambda tensor: tensor[0], views)

        if not self.layer.built:
            # Outside of the loop, whose graph could not hold the layer's variables.
            with tf.init_scope(), _seeds_from(tf.zeros(2, "int32")):
                self.layer(keras.tree.map_structure(_zeros, x), training=True)
        return each(made, x, drawn), y

    def identity(self):
        weights = hashlib.sha256()
        for array in self.layer.get_weights():
            weights.update(np.ascontiguousarray(array).tobytes())
        return {"layers": _told(self.layer), "weights": weights.hexdigest()}


class _Asking(threading.local):
    """The seed of the example that this thread makes, and how often it was asked."""

    seed: Any = None
    turns: Any = None


_asking, _patching = _Asking(), threading.RLock()
_next = keras.random.SeedGenerator.next


@contextlib.contextmanager
def _seeds_from(seed: Any) -> Iterator[None]:
    """Every seed generator of Keras gives what follows from `seed`, in this thread.

    The first seed asked for is one, the second another; so a layer's draws differ
    from each other, and are the same whenever the example is made.
    """

    def following(generator, ordered=True):
        if _asking.seed is None:
            return _next(generator, ordered)
        turn = next(_asking.turns)
        return tf.random.experimental.stateless_fold_in(_asking.seed, turn)

    with _patching:
        before = keras.random.SeedGenerator.next, _asking.seed, _asking.turns
        keras.random.SeedGenerator.next = following
        _asking.seed, _asking.turns = seed, itertools.count()
        try:
            yield
        finally:
            keras.random.SeedGenerator.next, _asking.seed, _asking.turns = before


def _parts(layer: Any) -> Iterator[Any]:
    """The layer and all below it, those that a layer keeps in lists included."""
    seen: set[int] = set()
    waiting = [layer]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += getattr(part, "_layers", [])
        waiting += [v for v in vars(part).values() if isinstance(v, keras.Layer)]


def _told(layer: Any) -> Any:
    """A layer's configuration; of a Sequential its layers, built or not."""
    if isinstance(layer, keras.Sequential):
        return [_told(inner) for inner in layer.layers]
    return [type(layer).__name__, described(_without_names(layer.get_config()))]


def _without_names(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config["config"]["name"]
        return {k: _without_names(v) for k, v in config.items() if k not in NAMES}
    if isinstance(config, (list, tuple)):
        return [_without_names(value) for value in config]
    return config


def _zeros(tensor: Any) -> Any:
    return tf.zeros((1, *tensor.shape[1:]), tensor.dtype)
