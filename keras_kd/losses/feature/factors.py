"""What a teacher's features paraphrase to: factors, compared by direction.

factor_transfer  spatial  mean over positions of |f(teacher) − f(student)|,
                          f(F) = vec(mean_c F_c²) / ‖vec(mean_c F_c²)‖₂
                 paper    mean over all elements, f(F) = vec(F) / ‖vec(F)‖₂
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.attention import attention_map
from keras_kd.losses.feature.maps import check_maps, comparable_maps
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import absolute, l2_normalize
from keras_kd.registration import register
from keras_kd.validation import one_of

FACTOR_MODES = ("spatial", "paper")


def factor_transfer(teacher: Any, student: Any, mode: str = "spatial") -> Any:
    """The mean absolute difference of two factors of length 1.

    Args:
        teacher: tensor `(batch, height, width, channels)`: the teacher's factor.
        student: tensor `(batch, height, width, channels)`: the student's, as a
            translator makes it. Of different sizes, the larger is average-pooled.
        mode: `"spatial"`, the mean over channels of the squares, as in the code that
            published comparisons use; or `"paper"`, the factor itself, as in the
            paper and its authors' code, for equal channels. Defaults to
            `"spatial"`.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where these are not maps of one batch, or the mode is unknown.

    Example:

    ```python
    factors = keras.random.normal((2, 8, 8, 16))
    factor_transfer(factors, 2.0 * factors)  # [0., 0.]
    ```

    Reference:
        Kim, Park, Kwak. Paraphrasing Complex Network: Network Compression via Factor
        Transfer. NeurIPS 2018. https://arxiv.org/abs/1802.04977
    """
    one_of("mode", mode, FACTOR_MODES)
    teacher, student = comparable_maps(
        "factor_transfer", teacher, student, channels=mode == "paper"
    )
    direction = _direction if mode == "paper" else attention_map
    return ops.mean(absolute(direction(teacher) - direction(student)), axis=-1)


def _direction(x):
    return l2_normalize(ops.reshape(x, (ops.shape(x)[0], -1)))


@register
class FactorTransfer(DistillationLoss):
    """The difference of the teacher's factor and the student's translation of it.

    Formula:
        mean |f(teacher) − f(student)|
        spatial:  f(F) = vec(mean_c F_c²) / ‖vec(mean_c F_c²)‖₂
        paper:    f(F) = vec(F) / ‖vec(F)‖₂

    When to use:
        At the last map, with a translator on the student's side and, as published, a
        paraphraser on the teacher's (`methods.factor_transfer`). Usual weight 200.
        Between different kinds of network it is known to hurt.

    `"paper"` is the equation of the paper and its authors' code: the whole factor.
    `"spatial"` is the code behind the published comparison of Tian et al. (ICLR
    2020), which sums over channels first, and whose weight 200 is.

    Args:
        mode: `"spatial"` or `"paper"`. Defaults to `"spatial"`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.FactorTransfer()
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Kim, Park, Kwak. Paraphrasing Complex Network: Network Compression via Factor
        Transfer. NeurIPS 2018. https://arxiv.org/abs/1802.04977
    """

    compares = "features"

    def __init__(self, mode: str = "spatial", **kwargs: Any):
        super().__init__(**kwargs)
        self.mode = one_of("mode", mode, FACTOR_MODES)

    def check_shapes(self, teacher, student):
        equal = self.mode == "paper"
        check_maps(type(self).__name__, teacher, student, channels=equal)

    def call(self, teacher, student):
        return factor_transfer(teacher, student, self.mode)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
