"""Every student layer against every teacher layer, each pair as it was weighed.

cross_layer   1/S Σ_i Σ_j α_ij · mean (t_ij − s_ij)²
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, comparable, flattened
from keras_kd.registration import register


def cross_layer(teacher: Sequence[Any], student: Sequence[Any], weights: Any) -> Any:
    """The squared differences of all pairs of layers, weighed and summed.

    Args:
        teacher: list of `students · teachers` tensors `(batch, ...)`: what the pairs
            want, those of the first student layer first.
        student: list of as many tensors of the same shapes: what the pairs have.
        weights: tensor `(batch, students, teachers)`, whose rows sum to one.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ, or there is no weight for each pair.

    Example:

    ```python
    maps = [keras.random.normal((2, 8, 8, 16)), keras.random.normal((2, 4, 4, 32))]
    weights = keras.ops.full((2, 1, 2), 0.5)
    cross_layer(maps, [x + 1.0 for x in maps], weights)  # [1., 1.]
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Wang, Feng, Chen. Cross-Layer Distillation with
        Semantic Calibration. AAAI 2021. https://arxiv.org/abs/2012.03236
    """
    (weights,) = at_least_float32(weights)
    pairs = weights.shape[1] * weights.shape[2] if len(weights.shape) == 3 else None
    if not len(teacher) == len(student) == pairs:
        raise ValueError(
            "cross_layer takes weights (batch, students, teachers) and a tensor of "
            f"each side for every pair. Received: weights {tuple(weights.shape)}, "
            f"teacher {[tuple(x.shape) for x in teacher]}, student "
            f"{[tuple(x.shape) for x in student]}."
        )
    gaps = []
    for one, other in zip(teacher, student, strict=True):
        one, other = comparable("cross_layer", one, other)
        gaps.append(ops.mean(flattened(ops.square(one - other)), axis=-1))
    each = ops.reshape(weights, (-1, len(gaps)))
    return ops.sum(each * ops.stack(gaps, axis=-1), axis=-1) / weights.shape[1]


@register
class CrossLayer(DistillationLoss):
    """All of the student's layers against all of the teacher's, by learned weights.

    Formula:
        1/S Σ_i Σ_j α_ij · mean (t_ij − s_ij)²

    α_ij, how much teacher layer j teaches student layer i, is learned with the student
    and another one for each example: `layers.SemanticCalibration` makes it, and
    brings the pairs to one shape.

    When to use:
        Where it is not known which layer of the teacher belongs to which of the
        student: other depths, another kind of network. Usual weight 400, beside the
        KL. It is the dearest of the feature losses: a projection for every pair.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.CrossLayer()
    calibration = keras_kd.layers.SemanticCalibration()
    maps = [teacher_map, teacher_map[:, ::2, ::2]]
    loss(*calibration(maps, [adapted_student_map]))  # a scalar
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Wang, Feng, Chen. Cross-Layer Distillation with
        Semantic Calibration. AAAI 2021. https://arxiv.org/abs/2012.03236. The paper
        sums over the student's layers; this is the authors' code, which divides by
        their number S.
    """

    compares = "features"

    def call(self, teacher, student):
        *guesses, weights = student
        return cross_layer(teacher, guesses, weights)
