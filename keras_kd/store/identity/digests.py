"""SHA-256 of values, arrays and weights."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np

from keras_kd.store.canonical import canonical


def digest(content: Any) -> str:
    """SHA-256 of bytes, or of a value's canonical JSON."""
    if not isinstance(content, (bytes, bytearray)):
        content = canonical(content).encode()
    return hashlib.sha256(content).hexdigest()


def of_array(array: Any) -> dict[str, Any]:
    """The type, shape and digest of an array's numbers."""
    array = np.asarray(keras.ops.convert_to_numpy(array))
    content = np.ascontiguousarray(array)
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "sha256": digest(content.tobytes()),
    }


def of_weights(layer: keras.layers.Layer) -> str:
    """SHA-256 of a layer's weights in their order: types, shapes and numbers."""
    whole = hashlib.sha256()
    for weight in layer.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        whole.update(f"{array.dtype.name}{list(array.shape)}".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()
