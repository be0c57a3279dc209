"""What every codec is: rows of one tensor, in arrays of a fixed width."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Closeness:
    """How near a stored row must be to the same row made again.

    Args:
        cosine: float, the least cosine of the two rows.
        difference: float, the largest absolute difference, as a share of the largest
            absolute value of the row made again.
        tie: float, how far below the largest logit that of the stored top class may
            be, as such a share. Defaults to 1e-4.
    """

    cosine: float
    difference: float
    tie: float = 1e-4


class Field(abc.ABC):
    """A tensor of shape `(rows, *shape)`, kept in one or several arrays.

    Args:
        shape: tuple of ints, of one row.

    Raises:
        ValueError: where an axis has no fixed size.
    """

    kind: str
    """By which a manifest calls the class."""

    def __init__(self, shape: tuple[int, ...]):
        if any(size is None for size in shape):
            raise ValueError(
                "A stored tensor must have one shape for every example. Received: "
                f"shape={tuple(shape)}, where None is open."
            )
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

    @property
    @abc.abstractmethod
    def closeness(self) -> Closeness:
        """How near `comparable`'s two arrays are where nothing has changed."""

    def comparable(
        self, arrays: Mapping[str, np.ndarray], values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is held of some rows, and the same of the rows made again.

        Args:
            arrays: the rows as they are stored.
            values: float array `(rows, *shape)`, the teacher's.

        Returns:
            Two arrays of one shape.
        """
        return np.asarray(self.decode(arrays)), np.asarray(values)

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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.shape))

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({self.shape}{given})"


def floats(shape: tuple[int, ...]) -> keras.KerasTensor:
    """The spec of a float32 array with an open batch axis."""
    return keras.KerasTensor((None, *shape), "float32")
