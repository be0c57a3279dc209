"""Which neurons fire: the side of zero on which a teacher's features are.

activation_boundary  Σ  t > 0:  max(0, margin − s)²
                        t ≤ 0:  max(0, margin + s)²
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable
from keras_kd.registration import register
from keras_kd.validation import positive


def activation_boundary(teacher: Any, student: Any, margin: float = 1.0) -> Any:
    """The squared hinge that brings each feature to the teacher's side of zero.

    Args:
        teacher: tensor `(batch, ..., channels)`, before its activation: after a
            ReLU it is never negative.
        student: tensor of the same shape.
        margin: positive float, how far beyond zero the student is to be. Defaults
            to 1.

    Returns:
        Tensor `(batch,)`: the sum over the elements of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    teacher = keras.ops.array([[0.2, -0.1, 3.0]])
    activation_boundary(teacher, keras.ops.array([[1.0, -1.0, 0.5]]))  # [0.25]
    ```

    Reference:
        Heo, Lee, Yun, Choi. Knowledge Transfer via Distillation of Activation
        Boundaries Formed by Hidden Neurons. AAAI 2019.
        https://arxiv.org/abs/1811.03233
    """
    teacher, student = comparable("activation_boundary", teacher, student)
    to_the_right_side = ops.where(teacher > 0, student, -student)
    missing = ops.square(ops.relu(margin - to_the_right_side))
    return ops.sum(missing, axis=tuple(range(1, len(missing.shape))))


@register
class ActivationBoundary(DistillationLoss):
    """The hinge that brings the student's neurons to the teacher's side of zero.

    Formula:
        Σ_elements  (margin − s)² where t > 0 and s ≤ margin
                    (margin + s)² where t ≤ 0 and s > −margin

    When to use:
        As a first stage, alone, to start a student from the teacher's activation
        patterns, at features before their activation, through adapters without one
        (`methods.ab`). The value is a sum over the elements: weights are of the
        order of 0.001.

    Args:
        margin: positive float. Defaults to 1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ActivationBoundary(margin=1.0)
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Heo, Lee, Yun, Choi. Knowledge Transfer via Distillation of Activation
        Boundaries Formed by Hidden Neurons. AAAI 2019.
        https://arxiv.org/abs/1811.03233
    """

    compares = "features"

    def __init__(self, margin: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.margin = positive("margin", margin)

    def call(self, teacher, student):
        return activation_boundary(teacher, student, self.margin)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
