"""How a teacher's channels vary: features whatever their scale and offset.

    pearson_feature  ½ mean (z(t) − z(s))²,   z(F) = (F − mean_c) / (std_c + 1e-6)

Means and deviations are each channel's, over the batch and all positions; this is one
minus the channels' mean Pearson correlation.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable
from keras_kd.registration import register

EPSILON = 1e-6


def pearson_feature(teacher: Any, student: Any) -> Any:
    """Half the mean squared difference of features standardized channel by channel.

    Args:
        teacher: tensor `(batch, ..., channels)`.
        student: tensor of the same shape.

    Returns:
        Tensor `(batch,)`: each example's own mean. It depends on the whole batch,
        over which the channels are standardized (deviation with ddof = 1).

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    scale = keras.random.uniform((16,), 1.0, 2.0)
    pearson_feature(maps, scale * maps + 3.0)  # [0., 0.], to rounding
    ```

    Reference:
        Cao, Zhang, Gao, Cheng, Cheng, Zhang. PKD: General Distillation Framework for
        Object Detectors via Pearson Correlation Coefficient. NeurIPS 2022.
        https://arxiv.org/abs/2207.02039
    """
    teacher, student = comparable("pearson_feature", teacher, student)
    gaps = _standardized(teacher) - _standardized(student)
    return 0.5 * ops.mean(ops.square(gaps), axis=tuple(range(1, len(gaps.shape))))


def _standardized(x):
    axes = tuple(range(len(x.shape) - 1))
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    counts = ops.cast(ops.prod(ops.convert_to_tensor(ops.shape(x)[:-1])), x.dtype)
    squares = ops.sum(ops.square(centred), axis=axes, keepdims=True)
    variance = squares / ops.maximum(counts - 1.0, 1.0)
    # A dead channel is only centred: divided by 1e-6, its gradient would be 1e6.
    flat = variance <= EPSILON**2
    deviation = ops.sqrt(ops.where(flat, ops.ones_like(variance), variance))
    return centred / (deviation + EPSILON)


@register
class PearsonFeature(DistillationLoss):
    """One minus the correlation of the teacher's and the student's channels.

    Formula:
        ½ mean (z(t) − z(s))²,  z(F) = (F − mean_c) / (std_c + 1e-6)
        mean_c, std_c: of channel c over the batch and all positions (ddof = 1)

    When to use:
        Where the magnitudes of both sides differ, as between detectors of different
        kinds, on the maps of their necks: the pattern of each channel is transferred,
        its scale and offset are free. Usual weight 10 (the authors use 6 to 10). The
        batch must not be tiny.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.PearsonFeature()
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Cao, Zhang, Gao, Cheng, Cheng, Zhang. PKD: General Distillation Framework for
        Object Detectors via Pearson Correlation Coefficient. NeurIPS 2022.
        https://arxiv.org/abs/2207.02039
    """

    compares = "features"
    across_examples = True

    def call(self, teacher, student):
        return pearson_feature(teacher, student)
