"""Adaptive average pooling: a map at any height and width, by windows that fit.

Output `i` of `n` averages the inputs `⌊i·o/n⌋` up to `⌈(i + 1)·o/n⌉` of `o`. Where `n`
divides `o` that is plain average pooling; elsewhere windows overlap, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def adaptive_average(x: Any, size: tuple[int, int]) -> Any:
    """A channels-last map averaged over windows to another height and width.

    Args:
        x: tensor `(batch, height, width, channels)` of known height and width.
        size: `(height, width)`, smaller or larger than the map's.

    Returns:
        Tensor `(batch, size[0], size[1], channels)` of the same dtype; `x` itself
        where it has that size.

    Example:

    ```python
    maps = keras.random.normal((2, 7, 5, 16))
    adaptive_average(maps, (3, 2)).shape  # (2, 3, 2, 16)
    ```
    """
    if tuple(x.shape[1:3]) == tuple(size):
        return x
    rows, columns = (
        ops.convert_to_tensor(averaging_matrix(old, new), dtype=x.dtype)
        for old, new in zip(x.shape[1:3], size, strict=True)
    )
    x = ops.einsum("ah,nhwc->nawc", rows, x)
    return ops.einsum("bw,nawc->nabc", columns, x)


def averaging_matrix(old: int, new: int) -> np.ndarray:
    """Adaptive average pooling of one axis: row i averages old[⌊i·o/n⌋ : ⌈(i+1)·o/n⌉].

    Args:
        old, new: lengths of the axis before and after.

    Returns:
        Array `(new, old)` whose rows sum to one.
    """
    matrix = np.zeros((new, old))
    for i in range(new):
        start, stop = i * old // new, -(-(i + 1) * old // new)
        matrix[i, start:stop] = 1.0 / (stop - start)
    return matrix
