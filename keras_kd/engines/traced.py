"""An engine called from inside a traced TensorFlow graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.engines.engine import Engine, inputs_of
from keras_kd.taps import input_spec
from keras_kd.types import Tap


def in_graph(engine: Engine, x: Any, taps: Sequence[Tap]) -> dict[Tap, Any]:
    """The features of a symbolic batch, computed outside of the graph when it runs.

    Their shapes are known in the graph; the engine is not called while it is traced.

    Args:
        engine: what runs the batches.
        x: tensors in the structure that the engine's model takes.
        taps: which features are wanted.

    Returns:
        Dict from these taps to tensors.
    """
    tensors = inputs_of(engine.model, x)
    known = keras.tree.flatten(input_spec(engine.model))
    wanted = engine.spec(
        [
            tensor.shape if tensor.shape.rank is not None else spec.shape
            for tensor, spec in zip(tensors, known, strict=True)
        ],
        taps,
    )
    leaves = keras.tree.flatten(wanted)
    dtypes = [tf.as_dtype(leaf.dtype) for leaf in leaves]

    def run(*arrays):
        features = engine(list(arrays), taps)
        found = keras.tree.flatten([features[tap] for tap in taps])
        return [
            np.asarray(array, dtype.as_numpy_dtype)
            for array, dtype in zip(found, dtypes, strict=True)
        ]

    found = tf.numpy_function(run, tensors, dtypes, stateful=False)
    for tensor, leaf in zip(found, leaves, strict=True):
        tensor.set_shape(leaf.shape)
    values = keras.tree.pack_sequence_as(wanted, found)
    return dict(zip(taps, values, strict=True))
