"""The useful part of a feature: a teacher's map behind a margin ReLU.

overhaul         t' = max(t, margin_c),   Σ (s − t')² where s > t' or t' > 0
overhaul_margin  E[x | x < 0] of x ~ N(β, γ²), what batch normalization leaves:
                 β − |γ| φ(β/|γ|) / Φ(−β/|γ|),  or −3 |γ| where Φ(−β/|γ|) ≤ 0.001
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable
from keras_kd.registration import register
from keras_kd.validation import same_shape

RARELY_NEGATIVE = 0.001
"""Below this share of negative values, three deviations stand for their mean."""


def overhaul(teacher: Any, student: Any, margin: Any) -> Any:
    """The squared distance to a teacher's feature behind a margin ReLU.

    Where both are below the target, and the target is not positive, nothing counts:
    the activation that follows sees no difference.

    Args:
        teacher: tensor `(batch, ..., channels)`, before its activation.
        student: tensor of the same shape.
        margin: float, or one number per channel, as of `overhaul_margin`; usually
            negative.

    Returns:
        Tensor `(batch,)`: the sum over the elements of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    teacher = keras.ops.array([[-5.0, -5.0, 2.0]])
    student = keras.ops.array([[-3.0, 0.5, 1.0]])
    overhaul(teacher, student, margin=-0.5)  # [0. + 1. + 1.]
    ```

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi. A Comprehensive Overhaul of Feature
        Distillation. ICCV 2019. https://arxiv.org/abs/1904.01866
    """
    teacher, student = comparable("overhaul", teacher, student)
    target = ops.maximum(teacher, ops.convert_to_tensor(margin, dtype=teacher.dtype))
    counts = ops.logical_or(student > target, target > 0)
    gaps = ops.where(counts, student - target, ops.zeros_like(student))
    return ops.sum(ops.square(gaps), axis=tuple(range(1, len(gaps.shape))))


def overhaul_margin(gamma: Any, beta: Any) -> np.ndarray:
    """The mean of each channel's negative values behind a batch normalization.

    Args:
        gamma, beta: the normalization's scale and offset, `(channels,)`.

    Returns:
        Array `(channels,)` of float64.

    Example:

    ```python
    overhaul_margin([1.0, 1.0], [0.0, 5.0])  # [-0.798, -3.0]
    ```

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi. A Comprehensive Overhaul of Feature
        Distillation. ICCV 2019. https://arxiv.org/abs/1904.01866
    """
    # Weights at hand, once: double precision whatever the backend.
    scales, offsets = (
        np.asarray(ops.convert_to_numpy(x), "float64").ravel() for x in (gamma, beta)
    )
    same_shape("overhaul_margin", scales.shape, offsets.shape)
    pairs = zip(np.abs(scales).tolist(), offsets.tolist(), strict=True)
    return np.array([_mean_below_zero(*pair) for pair in pairs])


def _mean_below_zero(scale, offset):
    if scale == 0.0:
        return min(offset, 0.0)  # a constant channel
    ratio = offset / scale
    share = 0.5 * math.erfc(ratio / math.sqrt(2.0))
    if share <= RARELY_NEGATIVE:
        return -3.0 * scale
    density = math.exp(-(ratio**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return offset - scale * density / share


@register
class FeatureOverhaul(DistillationLoss):
    """The distance to the teacher's feature, where the next activation sees it.

    Formula:
        t' = max(t, margin_c)
        Σ_elements (s − t')² where s > t' or t' > 0

    When to use:
        At the last feature of each stage, before its activation, through 1×1 adapters
        without one; among the strongest losses over features (`methods.overhaul`
        takes the margins from the teacher). The value is a sum over the elements:
        weight 0.001 at the last stage, half of it at each earlier one.

    Args:
        margin: float, or a sequence of one float per channel, as of
            `overhaul_margin`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    margin = overhaul_margin(gamma=[1.0] * 4, beta=[0.0, 0.5, -0.5, 5.0])
    loss = keras_kd.losses.FeatureOverhaul(margin)
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi. A Comprehensive Overhaul of Feature
        Distillation. ICCV 2019. https://arxiv.org/abs/1904.01866
    """

    compares = "features"

    def __init__(self, margin: float | Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.margin = _checked(margin)

    def check_shapes(self, teacher, student):
        super().check_shapes(teacher, student)
        several, channels = isinstance(self.margin, list), teacher[-1]
        if several and channels is not None and len(self.margin) != channels:
            raise ValueError(
                f"{type(self).__name__} has {len(self.margin)} margins. Received: "
                f"teacher {tuple(teacher)}, student {tuple(student)}."
            )

    def call(self, teacher, student):
        self.check_shapes(teacher.shape, student.shape)
        return overhaul(teacher, student, self.margin)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


def _checked(margin):
    """A float, or a list of floats."""
    try:
        values = np.asarray(margin, "float64")
    except (TypeError, ValueError):
        values = np.array(math.nan)
    if values.ndim > 1 or values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError(
            "`margin` must be a finite float or one per channel. "
            f"Received: margin={margin!r}."
        )
    return values.tolist()
