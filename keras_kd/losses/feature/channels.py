"""Where each channel looks: a distribution over positions per channel.

channel_wise  T² / C · Σ_c Σ_i p_ci (log p_ci − log q_ci)
              p_c = softmax over positions of teacher_c / T,  q_c of student_c / T
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.maps import by_position
from keras_kd.losses.numerics import comparable, number_like
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number


def channel_wise(teacher: Any, student: Any, temperature: Any = 4.0) -> Any:
    """T² times the divergence of each channel's distribution over positions.

    Args:
        teacher: tensor `(batch, ..., channels)` with positions between: a map, or a
            dense prediction's logits.
        student: tensor of the same shape.
        temperature: positive float or scalar tensor. Defaults to 4.

    Returns:
        Tensor `(batch,)`: the mean over the channels of each example.

    Raises:
        ValueError: where the shapes differ, or there are no positions.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    channel_wise(maps, maps + keras.random.normal((16,)))  # [0., 0.]
    ```

    Reference:
        Shu, Liu, Gao, Yan, Shen. Channel-wise Knowledge Distillation for Dense
        Prediction. ICCV 2021. https://arxiv.org/abs/2011.13256
    """
    teacher, student = comparable("channel_wise", teacher, student)
    if len(student.shape) < 3:
        raise ValueError(
            "channel_wise compares channels over positions (batch, ..., channels). "
            f"Received: teacher {tuple(teacher.shape)}, student "
            f"{tuple(student.shape)}."
        )
    temperature = number_like(temperature, student)
    log_p = ops.log_softmax(by_position(teacher) / temperature, axis=1)
    log_q = ops.log_softmax(by_position(student) / temperature, axis=1)
    divergence = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=1)
    return ops.square(temperature) * ops.mean(divergence, axis=-1)


@register
class ChannelWise(TemperatureLoss):
    """The divergence between each channel's attention in teacher and student.

    Formula:
        T² / C · Σ_c KL(p_c ‖ q_c)
        p_c, q_c: softmax over positions of teacher_c / T and student_c / T

    When to use:
        For dense prediction (segmentation, detection), on features or on the logits
        of the classes' maps: each channel's salient regions are transferred, its
        scale and offset are not. Usual weight 50 on features, 3 on logits.

    Args:
        temperature: positive float, or a schedule; a variable, as in
            `KLDistillation`. Defaults to 4.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ChannelWise(temperature=4.0)
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Shu, Liu, Gao, Yan, Shen. Channel-wise Knowledge Distillation for Dense
        Prediction. ICCV 2021. https://arxiv.org/abs/2011.13256
    """

    compares = "features"

    def __init__(self, temperature: Number = 4.0, **kwargs: Any):
        super().__init__(temperature, **kwargs)

    def call(self, teacher, student, temperature=None):
        temperature = self._or_own(temperature)
        return channel_wise(teacher, student, temperature)
