"""How well the student's feature tells the teacher's, in nats.

variational   mean ½ ((μ − t)² / v + log v),   v = softplus(scale) + 1e-5 per channel

The mean μ and the scale come of `layers.VariationalAdapter` over the student's feature.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, comparable
from keras_kd.registration import register


def variational(teacher: Any, mean: Any, scale: Any) -> Any:
    """The negative log-likelihood of the teacher's feature, up to a constant.

    Args:
        teacher: tensor `(batch, ..., channels)`: a vector, a sequence or a map.
        mean: tensor of the same shape, what the student expects.
        scale: tensor `(channels,)` or `(batch, channels)`. The variance of a channel
            is `softplus(scale) + 1e-5`.

    Returns:
        Tensor `(batch,)`: the mean over positions and channels.

    Raises:
        ValueError: where the shapes differ, or the scale has other channels.

    Example:

    ```python
    variational(teacher_map, adapted_student_map, keras.ops.zeros(4))
    ```

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai. Variational Information Distillation for
        Knowledge Transfer. CVPR 2019. https://arxiv.org/abs/1904.05835
    """
    teacher, mean = comparable("variational", teacher, mean)
    (scale,) = at_least_float32(scale)
    if len(scale.shape) not in (1, 2) or scale.shape[-1] != mean.shape[-1]:
        raise ValueError(
            "`scale` must have one entry per channel. Received: scale "
            f"{tuple(scale.shape)}, teacher {tuple(teacher.shape)}, mean "
            f"{tuple(mean.shape)}."
        )
    variance = ops.softplus(ops.cast(scale, mean.dtype)) + 1e-5
    if len(scale.shape) == 2:
        inner = [1] * (len(mean.shape) - 2)
        variance = ops.reshape(variance, (-1, *inner, mean.shape[-1]))
    nats = 0.5 * (ops.square(mean - teacher) / variance + ops.log(variance))
    return ops.mean(nats, axis=tuple(range(1, len(mean.shape))))


@register
class VariationalInformation(DistillationLoss):
    """How much the student's feature knows of the teacher's, by its best guess.

    Formula:
        mean ½ ((μ − t)² / v + log v),  v_c = softplus(scale_c) + 1e-5

    A bound on the mutual information of the two features: `VariationalAdapter` guesses
    a mean μ and learns a variance v per channel, so channels that the student cannot
    know cost little. `DistillationTerm(VariationalInformation(), ...,
    adapter=VariationalAdapter(channels))` hands both over; the value may be negative.

    When to use:
        Features of equal meaning in networks of one family, at several depths, with
        weight 1; ahead of plain hints where channels differ in how predictable they
        are. Between different kinds of network it is mostly below plain logits.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.VariationalInformation()
    adapter = keras_kd.layers.VariationalAdapter(4)
    loss(teacher_map, adapter(adapted_student_map))  # a scalar
    ```

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai. Variational Information Distillation for
        Knowledge Transfer. CVPR 2019. https://arxiv.org/abs/1904.05835. The paper's
        network has batch normalization, the copy in CRD's comparison has none:
        `VariationalAdapter(normalize=False)`. The initial variance is 5 in both.
    """

    compares = "features"

    def call(self, teacher, student):
        mean, scale = student
        return variational(teacher, mean, scale)
