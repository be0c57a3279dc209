"""How one tensor of a teacher is kept: a fixed number of bytes for each row."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.validation import one_of

FLOATS = ("float32", "float16", "bfloat16")


class Field(abc.ABC):
    """A tensor of shape `(rows, *shape)`, kept in one or several arrays.

    Args:
        shape: tuple of ints, of one row.
    """

    kind: str
    """By which a manifest calls the class."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = tuple(int(size) for size in shape)

    @property
    @abc.abstractmethod
    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The arrays by name, each the shape of a row and the type of its numbers."""

    @abc.abstractmethod
    def encode(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """What is written for `values`, float array `(rows, *shape)`."""

    @abc.abstractmethod
    def decode(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """What training sees of the rows read: an array, or a dict of arrays."""

    @abc.abstractmethod
    def spec(self) -> Any:
        """`decode`'s result as `keras.KerasTensor`s with an open batch axis."""

    def options(self) -> dict[str, Any]:
        """The constructor's arguments besides the shape, as JSON takes them."""
        return {}

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return sum(
            math.prod(shape) * np.dtype(dtype).itemsize
            for shape, dtype in self.arrays.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {"kind": self.kind, "shape": list(self.shape), **self.options()}


class Whole(Field):
    """All numbers, as floats of 4 or 2 bytes or as the integers they are.

    Args:
        shape: tuple of ints, of one row.
        dtype: str. Defaults to `"float16"`.
    """

    kind = "whole"

    def __init__(self, shape: tuple[int, ...], dtype: str = "float16"):
        super().__init__(shape)
        self.dtype = np.dtype(dtype).name

    @property
    def arrays(self):
        return {"values": (self.shape, self.dtype)}

    def encode(self, values):
        if self.dtype == "float16":
            values = np.clip(values, *_limits("float16"))
        return {"values": np.ascontiguousarray(values, self.dtype)}

    def decode(self, arrays):
        values = arrays["values"]
        return values.astype("float32") if values.dtype.kind == "f" else values

    def spec(self):
        seen = "float32" if np.dtype(self.dtype).kind == "f" else self.dtype
        return keras.KerasTensor((None, *self.shape), seen)

    def options(self):
        return {"dtype": self.dtype}


FIELDS: dict[str, type[Field]] = {field.kind: field for field in (Whole,)}


def field_from(fields: Mapping[str, Any]) -> Field:
    """A field as its `to_dict` told it."""
    options = dict(fields)
    kind = one_of("kind", options.pop("kind"), FIELDS)
    return FIELDS[kind](tuple(options.pop("shape")), **options)


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A field at its place: a tap's whole tensor, or one of those it holds.

    Args:
        tap: str.
        path: keys and indices from the tap's value to the tensor; empty where the
            value is the tensor.
        field: a `Field`.
        stem: str, with which its files' names begin.
    """

    tap: str
    path: tuple[str | int, ...]
    field: Field
    stem: str

    def files(self) -> dict[str, str]:
        """The name of each array's file."""
        return {name: f"{self.stem}.{name}.npy" for name in self.field.arrays}

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "tap": self.tap, "path": list(self.path), "stem": self.stem,
            "field": self.field.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Leaf:
        """A leaf as `to_dict` told it."""
        field = field_from(fields["field"])
        return cls(fields["tap"], tuple(fields["path"]), field, fields["stem"])


def _limits(dtype):
    return np.finfo(dtype).min, np.finfo(dtype).max
