"""How a teacher's channels go together: their correlations within one map.

G(F) = F Fᵀ over positions (channels × channels), each row divided by its ‖·‖₂

inter_channel  ‖G(teacher) − G(student)‖²_F / C
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.maps import by_position, check_maps
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import (
    at_least_float32,
    l2_normalize,
    without_gradient,
)
from keras_kd.registration import register


def inter_channel(teacher: Any, student: Any) -> Any:
    """The squared distance of two Gram matrices of channels, per channel.

    A channel's row of the Gram matrix, its products with all channels, is divided by
    its Euclidean norm, as in the authors' code. So neither the size of a map nor its
    scale counts, and each channel counts alike; dividing the channels themselves
    (cosines) would forget which are strong.

    Args:
        teacher: tensor `(batch, height, width, channels)`.
        student: tensor with as many channels, of any height and width.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where these are not maps of one batch with as many channels.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    inter_channel(maps, 2.0 * maps[:, ::-1])  # [0., 0.]
    ```

    Reference:
        Liu, Huang, Lin, Xie, Wang, Chang, Liang. Exploring Inter-Channel Correlation
        for Diversity-Preserved Knowledge Distillation. ICCV 2021.
        https://arxiv.org/abs/2202.03680
    """
    teacher, student = at_least_float32(teacher, student)
    check_maps("inter_channel", teacher.shape, student.shape, channels=True)
    gaps = ops.square(_correlations(without_gradient(teacher)) - _correlations(student))
    return ops.sum(gaps, axis=(1, 2)) / student.shape[-1]


def _correlations(x):
    x = by_position(x)
    return l2_normalize(ops.matmul(ops.transpose(x, (0, 2, 1)), x))


@register
class InterChannel(DistillationLoss):
    """The distance between the teacher's and the student's channel correlations.

    Formula:
        G(F) = F Fᵀ over positions, each row divided by its Euclidean norm
        ‖G(teacher) − G(student)‖²_F / C

    When to use:
        At the last map, through a 1×1 convolution that gives the student the
        teacher's channels: it transfers which channels fire together, and so how
        diverse they are, and leaves open where. Weight 2.5 on CIFAR-100 and 1 on
        ImageNet in the authors' code, which this is.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.InterChannel()
    loss(teacher_map, adapted_student_map[:, ::2])  # a scalar
    ```

    Reference:
        Liu, Huang, Lin, Xie, Wang, Chang, Liang. Exploring Inter-Channel Correlation
        for Diversity-Preserved Knowledge Distillation. ICCV 2021.
        https://arxiv.org/abs/2202.03680
    """

    compares = "features"

    def check_shapes(self, teacher, student):
        check_maps(type(self).__name__, teacher, student, channels=True)

    def call(self, teacher, student):
        return inter_channel(teacher, student)
