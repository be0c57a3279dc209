"""How examples of a batch correlate, by a kernel on their directions.

correlation_congruence   Σ_ij (K_ij − K'_ij)² / N²

    gaussian   K_ij = exp(−2γ) Σ_{p=0..P} (2γ)^p / p! · (x_i · x_j)^p
    bilinear   K_ij = x_i · x_j

x = embeddings divided by their L2 norm. The first is the Taylor series of
exp(−γ ‖x_i − x_j‖²), cut after the power P; ' marks the student.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import l2_normalize
from keras_kd.losses.relation.embeddings import embeddings, similarities
from keras_kd.registration import register
from keras_kd.validation import one_of, positive, positive_int

KERNELS = ("gaussian", "bilinear")


def correlation_congruence(
    teacher: Any,
    student: Any,
    kernel: str = "gaussian",
    gamma: float = 0.4,
    order: int = 2,
) -> Any:
    """The squared gap between the kernels of a batch's examples on both sides.

    Args:
        teacher: tensor `(batch, ...)`, one embedding per example.
        student: tensor `(batch, ...)`, whose features may differ in number.
        kernel: `"gaussian"`, the paper's best and default, or `"bilinear"`.
        gamma: positive float, of the Gaussian kernel. Defaults to 0.4.
        order: int, the last power of its Taylor series. Defaults to 2.

    Returns:
        Tensor `(batch,)`: the mean over each example's row. Their mean is the sum
        over all pairs divided by `batch²`.

    Raises:
        ValueError: where the batches differ or the kernel is unknown.

    Example:

    ```python
    points = keras.random.normal((4, 16))
    correlation_congruence(points, 5.0 * points)  # zeros
    ```

    Reference:
        Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang. Correlation Congruence for
        Knowledge Distillation. ICCV 2019. https://arxiv.org/abs/1904.01802
    """
    one_of("kernel", kernel, KERNELS)
    teacher, student = embeddings("correlation_congruence", teacher, student)
    teacher, student = (similarities(l2_normalize(x)) for x in (teacher, student))
    if kernel == "gaussian":
        teacher, student = (_gaussian(x, gamma, order) for x in (teacher, student))
    return ops.mean(ops.square(teacher - student), axis=-1)


def _gaussian(cosines, gamma, order):
    """The Taylor series, from its last power down (Horner's rule)."""
    series = ops.ones_like(cosines)
    for power in range(order, 0, -1):
        series = 1.0 + 2.0 * gamma / power * cosines * series
    return math.exp(-2.0 * gamma) * series


@register
class CorrelationCongruence(DistillationLoss):
    """Examples correlate in the student as in the teacher, by a kernel.

    Formula:
        Σ_ij (K_ij − K'_ij)² / N²,  x = embeddings of L2 norm 1;  ' marks the student
        gaussian: K_ij = exp(−2γ) Σ_{p=0..P} (2γ)^p/p! (x_i·x_j)^p;  bilinear: x_i·x_j

    When to use:
        Transfers how examples correlate, for embeddings of any width. Its effect is
        small, and between different kinds of network at times below the plain
        student; its authors add it to temperature KL at weight 0.003.

    Args:
        kernel: `"gaussian"` (its Taylor series; the paper's best) or `"bilinear"`.
            Defaults to `"gaussian"`.
        gamma: positive float, of the Gaussian kernel. Defaults to 0.4.
        order: int, the last power of its Taylor series. Defaults to 2.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.CorrelationCongruence()
    loss(teacher_features, student_features)  # a scalar
    ```

    Reference:
        Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang. Correlation Congruence for
        Knowledge Distillation. ICCV 2019. https://arxiv.org/abs/1904.01802
    """

    compares = "relations"

    def __init__(
        self,
        kernel: str = "gaussian",
        gamma: float = 0.4,
        order: int = 2,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.kernel = one_of("kernel", kernel, KERNELS)
        self.gamma = positive("gamma", gamma)
        self.order = positive_int("order", order)

    def call(self, teacher, student):
        return correlation_congruence(
            teacher, student, self.kernel, self.gamma, self.order
        )

    def get_config(self):
        return {
            **super().get_config(),
            "kernel": self.kernel,
            "gamma": self.gamma,
            "order": self.order,
        }
