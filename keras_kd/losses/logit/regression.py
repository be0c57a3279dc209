"""Logits as numbers to be met, without a softmax.

logit_mse   mean_c (z_t − z_s)²
hinge       mean_c max(0, z_t − z_s + δ) + balance · mean_c max(0, z_s − z_t + δ)
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import (
    Slope,
    as_rows,
    is_large,
    like_positions,
    total,
    with_slope,
)
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, mean_over_positions, number_like
from keras_kd.registration import register
from keras_kd.validation import non_negative


def logit_mse(teacher: Any, student: Any, mask: Any = None) -> Any:
    """The mean squared difference of the logits.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    logit_mse(teacher_logits, teacher_logits + 2.0)  # 4.0 each
    ```

    Reference:
        Ba, Caruana. Do Deep Nets Really Need to be Deep? NeurIPS 2014.
        https://arxiv.org/abs/1312.6184
    """
    teacher, student = comparable("logit_mse", teacher, student)
    values = _of_gaps(ops.square, lambda gaps: 2.0 * gaps, teacher, student)
    return mean_over_positions(values, mask)


def hinge(
    teacher: Any,
    student: Any,
    margin: float = 1.0,
    balance: float = 1.0,
    mask: Any = None,
) -> Any:
    """How far the student's logits are from the teacher's, on either side.

    `mean_c max(0, z_t − z_s + δ) + balance · mean_c max(0, z_s − z_t + δ)`. With equal
    logits it is `(1 + balance) δ`.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        margin: non-negative float, δ. Defaults to 1.
        balance: float, the weight of logits above the teacher's. Defaults to 1.
        mask: as in `logit_mse`.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    hinge(teacher_logits, teacher_logits, margin=0.5)  # 1.0 each
    ```
    """
    teacher, student = comparable("hinge", teacher, student)

    def value(gaps):
        return balance * ops.relu(gaps + margin) + ops.relu(margin - gaps)

    def slope(gaps):
        above, below = gaps > -margin, gaps < margin
        return balance * ops.cast(above, gaps.dtype) - ops.cast(below, gaps.dtype)

    return mean_over_positions(_of_gaps(value, slope, teacher, student), mask)


def _of_gaps(value, slope, teacher, student):
    """The mean over the classes of a function of `z_s − z_t`, whose slope is given."""
    if not is_large(student):
        return ops.mean(value(student - teacher), axis=-1)

    def formula(student, classes, teacher):
        sums = total(lambda t, s: ops.sum(value(s - t), axis=-1), teacher, student)

        def backward(upstream):
            upstream = ops.expand_dims(upstream / classes, -1)
            return Slope(lambda t, s: slope(s - t) * upstream, (teacher, student))

        return sums / classes, backward

    classes = number_like(student.shape[-1], student)
    values = with_slope(formula, as_rows(student), classes, as_rows(teacher))
    return like_positions(values, student)


@register
class LogitMSE(DistillationLoss):
    """The mean squared difference of the logits.

    Formula:
        mean_c (z_t − z_s)²

    When to use:
        Where the scale of the logits matters too, as for a student that replaces its
        teacher behind a threshold, or with few classes. It is the limit of the KL at
        very high temperatures; the usual weight is 1.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.LogitMSE()
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Ba, Caruana. Do Deep Nets Really Need to be Deep? NeurIPS 2014.
        https://arxiv.org/abs/1312.6184
    """

    compares = "logits"
    takes_mask = True

    def call(self, teacher, student, mask=None):
        return logit_mse(teacher, student, mask)


@register
class HingeDistillation(DistillationLoss):
    """The distance of the logits beyond a margin, on either side.

    Formula:
        mean_c max(0, z_t − z_s + δ) + balance · mean_c max(0, z_s − z_t + δ)

    When to use:
        Where single logits that are far off should not rule the gradient, as they do
        in a squared difference. With balance 1 it is symmetric and at its least,
        2 δ, wherever no logit differs by more than δ; with balance 0 the student's
        logits only have to exceed the teacher's by δ.

    Args:
        margin: non-negative float, δ. Defaults to 1.
        balance: non-negative float, the weight of logits above the teacher's.
            Defaults to 1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.HingeDistillation(margin=0.5)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Cortes, Vapnik. Support-Vector Networks. Machine Learning, 1995 (the hinge).
        https://doi.org/10.1007/BF00994018
    """

    compares = "logits"
    takes_mask = True

    def __init__(self, margin: float = 1.0, balance: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.margin = non_negative("margin", margin)
        self.balance = non_negative("balance", balance)

    def call(self, teacher, student, mask=None):
        return hinge(teacher, student, self.margin, self.balance, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "balance": self.balance,
        }
