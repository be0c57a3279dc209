"""The few values that stand for all weights of a kernel: k-means on a line."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_kd.validation import one_of

STARTS = ("linear", "density", "kmeans++")


def centroids_of(
    values: Any, clusters: int, start: str = "linear", seed: int = 0
) -> np.ndarray:
    """Centroids of numbers: a start, then Lloyd's iterations until nothing moves.

    Args:
        values: Array of numbers, of any shape.
        clusters: Integer. How many centroids.
        start: `"linear"`, evenly from the smallest value to the largest, which
            keeps the rare large weights (Han et al. found it best); `"density"`,
            at even quantiles; `"kmeans++"`, drawn far from each other. Defaults to
            `"linear"`.
        seed: Integer, of the draw. Defaults to `0`.

    Returns:
        A sorted float32 array of shape `(clusters,)`.

    Example:

    ```python
    centroids_of([1.0, 1.2, 5.0, 5.2], 2)  # [1.1, 5.1]
    ```

    Reference: Han, Mao and Dally, "Deep Compression: Compressing Deep Neural
    Networks with Pruning, Trained Quantization and Huffman Coding", ICLR 2016,
    https://arxiv.org/abs/1510.00149
    """
    one_of("start", start, STARTS)
    ordered = np.sort(np.asarray(values, "float64").ravel())
    different = np.unique(ordered)
    if not len(different):
        return np.zeros(clusters, "float32")
    if len(different) <= clusters:
        return np.pad(different, (0, clusters - len(different)), "edge").astype(
            "float32"
        )
    if start == "linear":
        centroids = np.linspace(ordered[0], ordered[-1], clusters)
    elif start == "density":
        centroids = np.quantile(ordered, (np.arange(clusters) + 0.5) / clusters)
    else:
        centroids = _far_apart(ordered, clusters, np.random.default_rng(seed))
    return _settled(ordered, np.sort(centroids)).astype("float32")


def borders_of(centroids: np.ndarray) -> np.ndarray:
    """Halfway between neighbouring centroids."""
    return (centroids[1:] + centroids[:-1]) / 2


def _settled(ordered: np.ndarray, centroids: np.ndarray, most: int = 100) -> np.ndarray:
    """Lloyd's iterations; sums of stretches of sorted numbers make each one quick."""
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    squares = np.concatenate([[0.0], np.cumsum(ordered**2)])
    for _ in range(most):
        ends = np.searchsorted(ordered, borders_of(centroids), side="right")
        ends = np.concatenate([[0], ends, [len(ordered)]])
        counts = np.maximum(np.diff(ends), 1)
        moved = np.diff(sums[ends]) / counts
        spread = np.diff(squares[ends]) - moved**2 * counts
        for empty in np.flatnonzero(np.diff(ends) == 0):
            # A centroid that nobody wants halves the stretch with the most error.
            widest = int(np.argmax(spread))
            half = (ends[widest] + ends[widest + 1]) // 2
            moved[widest], moved[empty] = ordered[[half - 1, half]]
            spread[widest] = 0.0
        moved = np.sort(moved)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


def _far_apart(ordered: np.ndarray, clusters: int, rng: Any) -> np.ndarray:
    picked = [rng.choice(ordered)]
    distance = (ordered - picked[0]) ** 2
    for _ in range(clusters - 1):
        picked.append(rng.choice(ordered, p=distance / distance.sum()))
        distance = np.minimum(distance, (ordered - picked[-1]) ** 2)
    return np.asarray(picked)
