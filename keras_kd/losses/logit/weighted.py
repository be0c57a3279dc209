"""Weighted soft labels: each example's soft target counts by who needs it.

    weighted_soft_label   w · T² · Σ_c −p_c log q_c
                          p = softmax(teacher / T),  q = softmax(student / T)
                          w = 1 − exp(−CE_s / (CE_t + 1e-7)), not differentiated

CE_t and CE_s are the cross-entropies of the label at temperature 1. The weight nears
0 where the student knows the label and the teacher does not: there the soft target
has nothing to teach.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import (
    after,
    as_rows,
    is_large,
    learns,
    like_positions,
)
from keras_kd.losses.logit.labels import class_numbers, cross_entropy, is_class
from keras_kd.losses.logit.large_labels import (
    large_cross_entropy,
    large_soft_cross_entropy,
)
from keras_kd.losses.numerics import comparable, mean_over_positions, number_like
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import several_classes


def weighted_soft_label(
    teacher: Any,
    student: Any,
    labels: Any,
    temperature: Any = 2.0,
    mask: Any = None,
) -> Any:
    """The soft cross-entropy, weighted by how far the student is behind the teacher.

    `(1 − exp(−CE_s / (CE_t + 1e-7))) · T² · Σ_c −p_c log q_c`; no gradient flows
    through the weight.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        labels: class numbers of the shape without classes, or one-hot or soft
            labels of the logits' shape, whose largest entry counts.
        temperature: positive float or scalar tensor. Defaults to 2.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    weighted_soft_label(teacher_logits, student_logits, labels)  # (batch,)
    ```

    Reference:
        Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang. Rethinking Soft Labels for
        Knowledge Distillation: A Bias-Variance Tradeoff Perspective. ICLR 2021.
        https://arxiv.org/abs/2102.00650
    """
    teacher, student = comparable("weighted_soft_label", teacher, student)
    several_classes("weighted_soft_label", student.shape)
    numbers = class_numbers("weighted_soft_label", labels, student)
    learned = learns(temperature)
    temperature = number_like(temperature, student)
    logits = teacher, ops.stop_gradient(student)
    if is_large(student):
        rows = [as_rows(z) for z in (*logits, student)]
        soft, *hard = _large(rows, numbers, temperature, learned)
        soft, *hard = (like_positions(x[:, 0], student) for x in (soft, *hard))
    else:
        soft = _soft_cross_entropy(teacher / temperature, student / temperature)
        is_target = is_class(numbers, student)
        hard = [cross_entropy(z, is_target) for z in logits]
    behind = hard[1] / (hard[0] + 1e-7)
    values = -ops.expm1(-behind) * ops.square(temperature) * soft
    return mean_over_positions(values, mask)


def _large(rows, numbers, temperature, learned):
    """The soft and the two hard cross-entropies, one after the other: see `after`."""
    teacher, fixed, student = rows
    numbers = ops.reshape(numbers, (-1, 1))
    of_teacher = large_cross_entropy(teacher, numbers)
    of_student = large_cross_entropy(fixed, after(numbers, of_teacher))
    temperature = after(temperature, of_student)
    soft = large_soft_cross_entropy(teacher, student, temperature, learned)
    return soft, of_teacher, of_student


def _soft_cross_entropy(teacher, student):
    p = ops.softmax(teacher, axis=-1)
    log_q = ops.log_softmax(student, axis=-1)
    # A class of p = 0 adds nothing, where 0 · ∞ is no number.
    return -ops.sum(p * ops.where(p > 0, log_q, ops.zeros_like(p)), axis=-1)


@register
class WeightedSoftLabel(TemperatureLoss):
    """Soft cross-entropy, weighted by how far the student is behind the teacher.

    Formula:
        (1 − exp(−CE_s / (CE_t + 1e-7))) · T² · Σ_c −p_c log q_c
        p = softmax(z_t / T), q = softmax(z_s / T); CE_t, CE_s of the label at T = 1

    When to use:
        It quietens the soft target of examples that the teacher knows no better than
        the student, where it acts as label smoothing does and can hurt. For
        classifiers with labels, at weight 2.5 beside the full hard loss. Its value is
        a cross-entropy: at equality it is not 0 but the weighted entropy.

    Args:
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 2.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.WeightedSoftLabel(temperature=2.0)
    loss({"teacher": teacher_logits, "labels": labels}, student_logits)  # a scalar
    ```

    Reference:
        Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang. Rethinking Soft Labels for
        Knowledge Distillation: A Bias-Variance Tradeoff Perspective. ICLR 2021.
        https://arxiv.org/abs/2102.00650
    """

    compares = "logits"
    uses_labels = True
    takes_mask = True

    def __init__(self, temperature: Number = 2.0, **kwargs: Any):
        super().__init__(temperature, **kwargs)

    def call(self, targets, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return weighted_soft_label(
            targets["teacher"], student, targets["labels"], temperature, mask
        )
