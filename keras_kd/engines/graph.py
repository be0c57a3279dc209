"""A model in TensorFlow: the graph of its inference, by taps."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.engines.engine import Engine, arrays_of
from keras_kd.taps import FeatureExtractor, input_spec
from keras_kd.types import Tap


class GraphEngine(Engine):
    """Runs a model in a `tf.function`, which leaves out what no tap needs.

    Its weights are those of the model, whenever they change.

    Args:
        model: a built `keras.Model`.

    Example:

    ```python
    engine = GraphEngine(model)
    engine(images, ["output"])["output"]
    ```
    """

    name = "tensorflow"

    def __init__(self, model):
        super().__init__(model)
        self._functions: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, x, taps):
        arrays = arrays_of(self.model, x)
        key = tuple(taps), tuple(array.shape[1:] for array in arrays)
        with self._lock:
            if key not in self._functions:
                self._functions[key] = self._traced(*key)
        return tf.nest.map_structure(np.asarray, self._functions[key](*arrays))

    def refresh(self):
        return  # a graph reads the variables themselves

    def _traced(self, taps: tuple[Tap, ...], sizes: tuple[tuple[int, ...], ...]) -> Any:
        extractor = FeatureExtractor(self.model, taps)
        structure = input_spec(self.model)

        def inference(*tensors):
            x = keras.tree.pack_sequence_as(structure, tensors)
            features = extractor(x, training=False)
            return {tap: features[tap] for tap in taps}

        specs = [
            tf.TensorSpec((None, *size), spec.dtype)
            for size, spec in zip(sizes, keras.tree.flatten(structure), strict=True)
        ]
        concrete = tf.function(inference, autograph=False).get_concrete_function(*specs)
        return lambda *arrays: concrete(*map(tf.convert_to_tensor, arrays))
