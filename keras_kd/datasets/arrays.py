"""Pixels and labels as they come, brought to float32 in 0…1 and class indices."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a reader found; without a test part, it is split off later."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    class_names: Sequence[str] | None = None


def scaled(name: str, x: np.ndarray) -> np.ndarray:
    """Images as float32 `(samples, height, width, channels)` in 0…1.

    Args:
        name: str, how errors call the array.
        x: array `(samples, height, width)` or `(samples, height, width, channels)`
            of integers 0…255 or floats 0…1.

    Raises:
        ValueError: for other shapes, types or ranges.
    """
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.dtype.kind not in "fiub" or not x.size:
        raise ValueError(
            f"`{name}` must be images (samples, height, width) or (samples, height, "
            "width, channels), as numbers. "
            f"Received: shape {x.shape}, dtype {x.dtype}."
        )
    top = 255 if x.dtype.kind in "iu" else 1
    if not (x.min() >= 0 and x.max() <= top):
        raise ValueError(
            f"`{name}` must hold integers from 0 to 255 or floats from 0 to 1. "
            f"Received: {x.dtype} from {x.min()} to {x.max()}."
        )
    return x.astype("float32") / np.float32(top)


def label_indices(parts: Parts) -> Parts:
    """The parts with labels as class indices, and with names for the classes.

    Labels may be integers (a column of them as well) or strings, which are sorted
    and become the class names.

    Raises:
        ValueError: for labels of another kind, or fewer names than classes.
    """
    labels = {"y_train": _flat("y_train", parts.y_train)}
    if parts.y_test is not None:
        labels["y_test"] = _flat("y_test", parts.y_test)
    together = np.concatenate(list(labels.values()))
    names: Sequence[Any] | None = parts.class_names
    if together.dtype.kind in "US":
        found, together = np.unique(together, return_inverse=True)
        names = found.tolist()
    elif names is None:
        names = list(range(int(together.max(initial=-1)) + 1))
    if together.max(initial=-1) >= len(names):
        raise ValueError(
            f"`class_names` must name {together.max() + 1} classes. "
            f"Received: {list(names)}."
        )
    cut = len(labels["y_train"])
    return dataclasses.replace(
        parts,
        y_train=together[:cut],
        y_test=together[cut:] if "y_test" in labels else None,
        class_names=[str(name) for name in names],
    )


def _flat(name: str, y: np.ndarray) -> np.ndarray:
    flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if flat.ndim != 1 or flat.dtype.kind not in "iuUS":
        raise ValueError(
            f"`{name}` must be class indices or class names, one per image. "
            f"Received: shape {y.shape}, dtype {y.dtype}."
        )
    return flat.astype("int64") if flat.dtype.kind in "iu" else flat.astype(str)
