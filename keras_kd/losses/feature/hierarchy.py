"""A map at several scales: what is where, and what is there at all.

    hierarchical_context  Σ_l w_l · mean (pool_l(t) − pool_l(s))² / Σ_l w_l

pool_l averages to l × l; the map itself has the weight 1 and each of the l = 4, 2, 1
that are smaller than its height half the weight of the one before.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable
from keras_kd.pooling import adaptive_average
from keras_kd.registration import register
from keras_kd.validation import same_shape

LEVELS = (4, 2, 1)


def hierarchical_context(teacher: Any, student: Any) -> Any:
    """The mean squared difference of two maps and of their poolings.

    A map of height 8 is compared itself (weight 1) and pooled to 4 × 4, 2 × 2 and
    1 × 1 (weights ½, ¼, ⅛), divided by the sum of the weights. Levels that are not
    smaller than the height are left out, and the weights close up, as in the authors'
    code: height 4 has the levels 2 and 1 with ½ and ¼.

    Args:
        teacher: tensor `(batch, height, width, channels)` of known height and width;
            or a vector `(batch, channels)`, a map of 1 × 1.
        student: tensor of the same shape.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ, or these are no such maps.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    hierarchical_context(maps, maps + 1.0)  # [1., 1.]
    ```

    Reference:
        Chen, Liu, Zhao, Jia. Distilling Knowledge via Knowledge Review. CVPR 2021.
        https://arxiv.org/abs/2104.09044
    """
    teacher, student = comparable("hierarchical_context", teacher, student)
    gaps = teacher - student
    if len(gaps.shape) == 2:
        return ops.mean(ops.square(gaps), axis=-1)
    if len(gaps.shape) != 4 or None in tuple(gaps.shape[1:3]):
        raise ValueError(
            "hierarchical_context compares maps (batch, height, width, channels) of "
            f"known height and width, or vectors. Received: teacher "
            f"{tuple(teacher.shape)}, student {tuple(student.shape)}."
        )
    weight, total = 1.0, 1.0
    value = _mean_square(gaps)
    for level in LEVELS:
        if level < gaps.shape[1]:
            weight /= 2.0
            total += weight
            # Pooling is linear: the difference of the pooled is the pooled difference.
            value = value + weight * _mean_square(
                adaptive_average(gaps, (level, level))
            )
    return value / total


def _mean_square(x):
    return ops.mean(ops.square(x), axis=(1, 2, 3))


@register
class HierarchicalContext(DistillationLoss):
    """The distance of two maps at full size and at coarser and coarser ones.

    Formula:
        [mean (t − s)² + ½ mean (t₄ − s₄)² + ¼ mean (t₂ − s₂)² + ⅛ mean (t₁ − s₁)²]
        / (1 + ½ + ¼ + ⅛),  t_l: t average-pooled to l × l, for l < height

    When to use:
        On what `layers.ReviewFusion` makes of the student's maps (`methods.review`),
        or in place of `Hint` wherever maps are large: the coarse levels tell what is
        in the picture before the fine ones tell where. Usual weight 1 to 8, with a
        warm-up over 20 epochs.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.HierarchicalContext()
    loss(teacher_map, adapted_student_map)  # a scalar
    maps = [adapted_student_map, adapted_student_map[:, ::2, ::2]]
    loss([teacher_map, teacher_map[:, ::2, ::2]], maps)  # the sum over both pairs
    ```

    Reference:
        Chen, Liu, Zhao, Jia. Distilling Knowledge via Knowledge Review. CVPR 2021.
        https://arxiv.org/abs/2104.09044
    """

    compares = "features"

    def call(self, teacher, student):
        if not isinstance(teacher, (list, tuple)):
            return hierarchical_context(teacher, student)
        if len(teacher) != len(student):
            same_shape(type(self).__name__, *_shapes(teacher, student))
        pairs = zip(teacher, student, strict=True)
        return sum(hierarchical_context(t, s) for t, s in pairs)


def _shapes(*sides):
    return [[tuple(x.shape) for x in side] for side in sides]
