"""Generated images should excite the teacher as real ones do.

activation_norm   −mean |f|
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import absolute, at_least_float32, flattened
from keras_kd.registration import register


def activation_norm(features: Any) -> Any:
    """The negative mean size of features.

    Args:
        features: tensor `(batch, ...)`: the teacher's, of generated images.

    Returns:
        Tensor `(batch,)`.

    Example:

    ```python
    activation_norm(keras.ops.array([[1.0, -3.0]]))  # [-2.]
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """
    (features,) = at_least_float32(features)
    return -ops.mean(absolute(flattened(features)), axis=-1)


@register
class ActivationNorm(DistillationLoss):
    """Generated images excite the teacher's features.

    Formula:
        −mean |f|

    When to use:
        A data-free prior on the teacher's features before its classifier: real images
        excite them, noise does not. It looks at its second argument alone, through
        which the gradient flows; the first is ignored. It has no lower end, so its
        weight is small: DAFL uses 0.1.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ActivationNorm()
    loss(teacher_map, teacher_map)  # a scalar
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """

    compares = "relations"
    across_examples = False
    trains_teacher_side = True

    def call(self, teacher, student):
        return activation_norm(student)
