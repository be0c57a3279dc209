"""Features that the student regenerates from what a mask left of its own.

masked_generative   α · Σ (t − s)²,   s from `layers.MaskedGenerator`
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, flattened
from keras_kd.registration import register
from keras_kd.validation import positive


def masked_generative(teacher: Any, student: Any, alpha: float = 2e-5) -> Any:
    """The squared error of a regenerated feature, summed over all of its elements.

    Args:
        teacher: tensor `(batch, ..., channels)`.
        student: tensor of the same shape, regenerated.
        alpha: positive float, the factor of the sum. Defaults to 2e-5.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    masked_generative(teacher_map, adapted_student_map)
    ```

    Reference:
        Yang, Li, Shao, Shi, Yuan, Yuan. Masked Generative Distillation. ECCV 2022.
        https://arxiv.org/abs/2205.01529
    """
    teacher, student = comparable("masked_generative", teacher, student)
    return alpha * ops.sum(ops.square(flattened(teacher - student)), axis=-1)


@register
class MaskedGenerative(DistillationLoss):
    """The teacher's map, regenerated from what a random mask left of the student's.

    Formula:
        α · Σ (t − s)²

    `layers.MaskedGenerator` hides most positions of the student's map and
    regenerates the teacher's from the rest, so each position has to know its
    surroundings. The sum, not the mean, is taken over an example's elements: α is
    small for that reason and belongs to the paper's sizes of maps.

    When to use:
        Dense tasks (detection: α 2e-5 and 35 % kept; segmentation: 2e-5 and 25 %),
        and classification with α 7e-5. Scale the weight up for small maps; the
        generator has more parameters than a 1×1 adapter, so steps take longer.

    Args:
        alpha: positive float. Defaults to 2e-5.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.MaskedGenerative()
    generator = keras_kd.layers.MaskedGenerator(4)
    loss(teacher_map, generator(adapted_student_map, training=True))  # a scalar
    ```

    Reference:
        Yang, Li, Shao, Shi, Yuan, Yuan. Masked Generative Distillation. ECCV 2022.
        https://arxiv.org/abs/2205.01529. For classification the authors' code hides
        15 % of the channels rather than positions; this is the spatial mask.
    """

    compares = "features"

    def __init__(self, alpha: float = 2e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = positive("alpha", alpha)

    def call(self, teacher, student):
        return masked_generative(teacher, student, self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}
