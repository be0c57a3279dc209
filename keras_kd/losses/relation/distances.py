"""How far apart examples lie, in units of the mean distance of their batch.

rkd_distance   mean over pairs of h(d_ij / μ − d'_ij / μ')

d_ij = ‖x_i − x_j‖₂ of the teacher, d' of the student, μ and μ' the means of what is
positive among them, h(z) = ½ z² up to |z| = 1 and |z| − ½ beyond (Huber).
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.relation.embeddings import (
    centred,
    embeddings,
    similarities,
    squared_distances,
)


def rkd_distance(teacher: Any, student: Any) -> Any:
    """How differently two sides lay out the distances between examples.

    Distances are divided by their mean, so a student may be narrower than its teacher
    and live at another scale. Equal examples are 1e-6 apart, as in the authors' code.

    Args:
        teacher: tensor `(batch, ...)`, one embedding per example.
        student: tensor `(batch, ...)`, whose features may differ in number.

    Returns:
        Tensor `(batch,)`: the mean over each example's row of pairs. Their mean is
        the mean over all `batch²` pairs.

    Raises:
        ValueError: where the batches differ.

    Example:

    ```python
    points = keras.random.normal((4, 3))
    rkd_distance(points, 10.0 * points - 1.0)  # zeros
    ```

    Reference:
        Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019.
        https://arxiv.org/abs/1904.05068
    """
    teacher, student = embeddings("rkd_distance", teacher, student)
    gaps = relative_distances(teacher) - relative_distances(student)
    return ops.mean(huber(gaps), axis=-1)


def relative_distances(x: Any) -> Any:
    """The distance of every two rows over the mean distance: `(batch, batch)`."""
    squares = squared_distances(similarities(centred(x)))
    others = ops.ones_like(squares) - ops.diag(ops.ones_like(squares[:, 0]))
    distances = others * ops.sqrt(ops.maximum(squares, 1e-12))
    mean = ops.divide_no_nan(ops.sum(distances), ops.sum(others))
    return ops.divide_no_nan(distances, mean)


def huber(gaps: Any) -> Any:
    """`½ z²` up to 1, `|z| − ½` beyond."""
    sizes = ops.abs(gaps)
    inner = ops.minimum(sizes, 1.0)
    return inner * (sizes - 0.5 * inner)
