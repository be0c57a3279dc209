"""RKD: distances and angles together."""

from __future__ import annotations

from typing import Any

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.relation.angles import rkd_angle
from keras_kd.losses.relation.distances import rkd_distance
from keras_kd.registration import register
from keras_kd.validation import non_negative


@register
class RelationalKD(DistillationLoss):
    """Distances and angles between examples, alike in teacher and student.

    Formula:
        distance · mean_ij h(d_ij/μ − d'_ij/μ') + angle · mean_ijk h(cos ∠jik − cos ∠'jik)
        d_ij = ‖x_i − x_j‖₂,  μ = mean of d,  h = Huber(1);  ' marks the student

    When to use:
        Transfers the geometry of an embedding, blind to its rotation, place, scale
        and width: for retrieval and metric learning, where its authors show it above
        its teacher. As a classifier's only help it does little and can hurt between
        different kinds of network. Usual weight 1, on the last embedding.

    Args:
        distance: non-negative float, the weight of the distances. Defaults to 25.
        angle: non-negative float, the weight of the angles. Defaults to 50.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.RelationalKD(distance=25.0, angle=50.0)
    loss(teacher_features, student_features)  # a scalar
    ```

    Reference:
        Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019.
        https://arxiv.org/abs/1904.05068
    """  # noqa: E501

    compares = "relations"

    def __init__(self, distance: float = 25.0, angle: float = 50.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.distance = non_negative("distance", distance)
        self.angle = non_negative("angle", angle)
        if not (self.distance or self.angle):
            raise ValueError(
                "`distance` or `angle` must be positive. Received: "
                f"distance={distance!r}, angle={angle!r}."
            )

    def call(self, teacher, student):
        values = 0.0
        if self.distance:
            values += self.distance * rkd_distance(teacher, student)
        if self.angle:
            values += self.angle * rkd_angle(teacher, student)
        return values

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "angle": self.angle}
