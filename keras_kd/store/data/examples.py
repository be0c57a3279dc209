"""The data that a teacher labels, in the forms that people have them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_kd.store.data.numbered import ArrayExamples as ArrayExamples
from keras_kd.store.data.numbered import Examples as Examples
from keras_kd.store.data.numbered import ItemExamples as ItemExamples
from keras_kd.store.data.numbered import is_sliced
from keras_kd.store.data.streams import StreamExamples as StreamExamples


def as_examples(data: Any) -> Examples:
    """Data as people have it, as `Examples`.

    Args:
        data: array, dict or list of arrays (x alone); `(x, y)` or `(x, y,
            sample_weight)`; a `tf.data.Dataset` or `keras.utils.PyDataset`, which are
            read in their order; a `keras_kd` dataset, whose training part is taken;
            an object with `__len__` and `__getitem__`; or `Examples`.

    Raises:
        TypeError: for anything else.
        ValueError: where there are no examples, or their number is not known.
    """
    if isinstance(data, Examples):
        return data
    if isinstance(data, tuple) and 2 <= len(data) <= 3:
        return ArrayExamples(*data)
    if isinstance(data, (tf.data.Dataset, keras.utils.PyDataset)):
        return StreamExamples(data)
    if hasattr(data, "x_train") and hasattr(data, "y_train"):
        return ArrayExamples(data.x_train, data.y_train)
    structure = isinstance(data, (dict, list)) and len(data) > 0
    if structure or hasattr(data, "__array__") or is_sliced(data):
        return ArrayExamples(data)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        if not isinstance(data, (str, bytes, tuple, dict, list)):
            return ItemExamples(data)
    raise TypeError(
        "`data` must be an array, (x, y), (x, y, sample_weight), a tf.data.Dataset, a "
        "keras.utils.PyDataset, or an object with a length and items. "
        f"Received: {type(data).__name__}."
    )
