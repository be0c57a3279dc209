"""How two sets of answers differ: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

EXACT = 200.0
"""Decibels of equal answers; float32 itself reaches about 150."""


def largest_error(expected: np.ndarray, answered: np.ndarray) -> float:
    """The largest absolute difference."""
    return float(np.abs(_real(answered) - _real(expected)).max(initial=0.0))


def largest(outputs: np.ndarray) -> float:
    """The largest magnitude."""
    return float(np.abs(_real(outputs)).max(initial=0.0))


def mean_error(expected: np.ndarray, answered: np.ndarray) -> float:
    """The mean absolute difference."""
    difference = np.abs(_real(answered) - _real(expected))
    return float(difference.mean()) if difference.size else 0.0


def snr_db(expected: np.ndarray, answered: np.ndarray) -> float:
    """How much stronger the model's answers are than their errors, in decibels.

    `10 log10(Σ expected² / Σ (answered − expected)²)`: a file that answers zeros has
    0 dB, every 6 dB are one more bit that is right.

    Args:
        expected: Array of the model's numbers.
        answered: Array of the file's, of the same shape.

    Returns:
        Float within ±200 (`EXACT`); 200 for equal answers. An infinity on one side
        that is not on the other, or a NaN, makes it −200.

    Example:

    ```python
    snr_db(np.array([1.0, 2.0]), np.array([1.0, 1.9]))  # 27.0
    ```
    """
    return decibels(*powers(expected, answered))


def powers(expected: np.ndarray, answered: np.ndarray) -> tuple[float, float]:
    """The sums of squares of the numbers and of their errors.

    Equal infinities are left out, as masks have them; what is not finite otherwise
    makes the error infinite.
    """
    expected, answered = _real(expected), _real(answered)
    finite = np.isfinite(expected) & np.isfinite(answered)
    signal = float(np.square(expected[finite]).sum())
    if not (finite | (expected == answered)).all():
        return signal, np.inf
    return signal, float(np.square(answered[finite] - expected[finite]).sum())


def decibels(signal: float, noise: float) -> float:
    """The ratio of two powers in decibels, within ±200."""
    if not noise:
        return EXACT
    if not signal or np.isinf(noise):
        return -EXACT
    return float(np.clip(10 * (np.log10(signal) - np.log10(noise)), -EXACT, EXACT))


def has_classes(outputs: np.ndarray) -> bool:
    """Whether the last axis can be read as classes: floats, two or more."""
    return outputs.ndim >= 2 and outputs.shape[-1] > 1 and outputs.dtype.kind == "f"


def same_class(expected: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Where the largest of the last axis is the same: boolean, `shape[:-1]`."""
    return expected.argmax(-1) == answered.argmax(-1)


def class_labels(labels: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Integer labels for outputs of that shape, or None if these are not labels.

    Args:
        labels: Array of integers, shape `shape[:-1]` (a last axis of one may
            follow), or of one-hot or soft labels, shape `shape`.
        shape: Shape of the outputs, `(samples, …, classes)`.

    Returns:
        Integer array of shape `shape[:-1]`; None where the array's shape or values
        are of another kind, such as a regression target's.

    Raises:
        ValueError: If integer labels lie outside `[0, classes)`.

    Example:

    ```python
    class_labels(np.array([[0.0, 1.0], [1.0, 0.0]]), (2, 2))  # array([1, 0])
    ```
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "fiub":
        return None
    if labels.shape == shape:
        is_distribution = labels.size and (labels >= 0).all()
        if is_distribution and np.allclose(labels.sum(-1), 1.0, atol=1e-3):
            return labels.argmax(-1)
        return None
    if labels.shape == (*shape[:-1], 1):
        labels = labels[..., 0]
    if labels.shape != shape[:-1] or (labels != np.round(labels)).any():
        return None
    if labels.size and (labels.min() < 0 or labels.max() >= shape[-1]):
        raise ValueError(
            f"`labels` must lie in [0, {shape[-1]}). Received values from "
            f"{labels.min()} to {labels.max()}."
        )
    return labels.astype("int64")


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The share of outputs whose largest is the label."""
    return float((outputs.argmax(-1) == labels).mean())


def non_finite(outputs: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the outputs that hold NaN or infinity."""
    return [name for name, array in outputs.items() if not np.isfinite(array).all()]


def spread(outputs: np.ndarray) -> float:
    """How far any element moves from sample to sample; zero for a constant."""
    real = _real(outputs)
    return float((real.max(0) - real.min(0)).max(initial=0.0))


def _real(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, "float64")
