"""A dataset in memory, its split, and the hiding of labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_kd.validation import positive_int

UNLABELLED = -1
"""The label of an image whose class nobody told."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images of classes, for training and for testing.

    Args:
        name: str, by which reports call it.
        x_train: float32 array `(samples, height, width, channels)` in 0…1.
        y_train: integer array `(samples,)`; -1 stands for an image without a label.
        x_test, y_test: as these, all labelled.
        class_names: one str per class, in the order of the labels.

    Raises:
        ValueError: where shapes, ranges or counts do not fit.

    Example:

    ```python
    data = load_dataset("digits")
    data.x_train.shape, data.num_classes  # ((1438, 8, 8, 1), 10)
    ```
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        if len(self.class_names) < 2:
            raise ValueError(
                "A dataset needs at least two classes. "
                f"Received: class_names={self.class_names}."
            )
        self._check("train", self.x_train, self.y_train, lowest=UNLABELLED)
        self._check("test", self.x_test, self.y_test, lowest=0)
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise ValueError(
                "`x_train` and `x_test` must hold images of one shape. Received: "
                f"{self.x_train.shape[1:]} and {self.x_test.shape[1:]}."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.x_train.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def labelled(self) -> np.ndarray:
        """Bool array `(samples,)`: which training images have a label."""
        return self.y_train != UNLABELLED

    def _check(self, part: str, x: Any, y: Any, lowest: int) -> None:
        x_name, y_name = f"x_{part}", f"y_{part}"
        if getattr(x, "ndim", 0) != 4 or x.dtype != np.float32 or not len(x):
            raise ValueError(
                f"`{x_name}` must be a float32 array (samples, height, width, "
                f"channels) with at least one sample. Received: {_described(x)}."
            )
        # The sum is finite where every value is, and costs no copy.
        if not np.isfinite(x.sum()) or x.min() < 0 or x.max() > 1:
            raise ValueError(
                f"`{x_name}` must lie between 0 and 1. "
                f"Received: values from {x.min()} to {x.max()}."
            )
        if getattr(y, "ndim", 0) != 1 or y.dtype.kind not in "iu" or len(y) != len(x):
            raise ValueError(
                f"`{y_name}` must be an integer array of shape ({len(x)},), one label "
                f"per image. Received: {_described(y)}."
            )
        if y.min() < lowest or y.max() >= self.num_classes:
            raise ValueError(
                f"`{y_name}` must hold labels from {lowest} to {self.num_classes - 1}. "
                f"Received: labels from {y.min()} to {y.max()}."
            )


def hide_labels(dataset: Dataset, labelled: int, seed: int = 0) -> Dataset:
    """The dataset with only some of its training labels left, the rest -1.

    All the images stay: a teacher can still speak about them. Each class keeps its
    share of the labels, at least one where there are enough.

    Args:
        dataset: a `Dataset`.
        labelled: int, how many training images keep their label.
        seed: int, which ones. Defaults to 0.

    Returns:
        A `Dataset` that shares the arrays of images.

    Raises:
        ValueError: where there are not so many labels.

    Example:

    ```python
    few = hide_labels(load_dataset("digits"), labelled=50)
    few.labelled.sum()  # 50
    ```
    """
    labelled = positive_int("labelled", labelled)
    known = np.flatnonzero(dataset.labelled)
    if labelled > len(known):
        raise ValueError(
            f"`labelled` must be at most {len(known)}, the labelled training images "
            f"of {dataset.name!r}. Received: labelled={labelled}."
        )
    kept = known[stratified(dataset.y_train[known], labelled, seed)]
    labels = np.full_like(dataset.y_train, UNLABELLED)
    labels[kept] = dataset.y_train[kept]
    return dataclasses.replace(dataset, y_train=labels)


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions of `count` labels drawn at random, each class by its share.

    Args:
        labels: integer array `(samples,)`.
        count: int, at most the number of samples.
        seed: int.

    Returns:
        Sorted integer array `(count,)`. Shares are rounded by largest remainder;
        every class has at least one where `count` allows.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / len(labels)
    least = 1 if count >= len(classes) else 0
    quota = np.maximum(np.floor(shares).astype(int), least)
    while quota.sum() != count:
        step = 1 if quota.sum() < count else -1
        free = quota < sizes if step > 0 else quota > least
        lack = np.where(free, step * (shares - quota), -np.inf)
        quota[np.argmax(lack)] += step
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(labels == label))[:number]
        for label, number in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _described(value: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return f"{type(value).__name__} of shape {shape} and dtype {dtype}"
