"""All numbers of a tensor, as they are or in half the bytes."""

from __future__ import annotations

import keras
import numpy as np

from keras_kd.store.fields.field import Closeness, Field, floats

EXACT = Closeness(cosine=1 - 1e-5, difference=1e-4)
"""Float32 made again by another engine or machine: other orders of the same sums."""
HALF = Closeness(cosine=1 - 1e-5, difference=2e-3, tie=2e-3)
"""Float16 keeps 11 bits."""


class Whole(Field):
    """All numbers, as floats of 4 or 2 bytes or as the integers they are.

    Float16 holds numbers to ±65504; those beyond are kept as the nearest it has.

    Args:
        shape: tuple of ints, of one row.
        dtype: str, such as `"float32"`. Defaults to `"float16"`.

    Example:

    ```python
    field = Whole((10,), "float16")
    field.row_bytes  # 20
    field.decode(field.encode(np.zeros((4, 10))))  # zeros (4, 10), float32
    ```
    """

    kind = "whole"

    def __init__(self, shape: tuple[int, ...], dtype: str = "float16"):
        super().__init__(shape)
        self.dtype = np.dtype(dtype).name

    @property
    def arrays(self):
        return {"values": (self.shape, self.dtype)}

    def encode(self, values):
        return {"values": np.ascontiguousarray(self._inside(values), self.dtype)}

    def decode(self, arrays):
        values = arrays["values"]
        return values.astype("float32") if self._is_float else values

    def spec(self):
        if self._is_float:
            return floats(self.shape)
        return keras.KerasTensor((None, *self.shape), self.dtype)

    @property
    def closeness(self):
        return HALF if self.dtype == "float16" else EXACT

    def comparable(self, arrays, values):
        return self.decode(arrays), self._inside(values)

    def options(self):
        return {"dtype": self.dtype}

    def _inside(self, values):
        if self.dtype != "float16":
            return values
        limits = np.finfo("float16")
        return np.clip(values, limits.min, limits.max)

    @property
    def _is_float(self):
        return np.dtype(self.dtype).kind == "f"
