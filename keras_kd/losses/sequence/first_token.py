"""What a transformer says of a whole sequence, layer by layer: BERT-PKD.

patient   mean over layers and features of (t / ‖t‖₂ − s / ‖s‖₂)²

t and s are the hidden states of the first token, [CLS].
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, l2_normalize
from keras_kd.registration import register


def patient(teacher: Any, student: Any) -> Any:
    """The mean squared difference of normalized [CLS] states.

    Each state is divided by its L2 norm. The mean over the features is the authors'
    code; the paper's formula sums over them.

    Args:
        teacher: tensor `(batch, width)`, the states of [CLS], or `(batch, time,
            width)`, whose first token is taken; or a list of such, one per layer.
        student: the same of the student.

    Returns:
        Tensor `(batch,)`: the mean over features and layers.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    states = keras.random.normal((2, 3, 8))
    patient(states, 5.0 * states)  # [0., 0.]
    ```

    Reference:
        Sun, Cheng, Gan, Liu. Patient Knowledge Distillation for BERT Model
        Compression. EMNLP 2019. https://arxiv.org/abs/1908.09355
    """
    if isinstance(student, (list, tuple)):
        pairs = list(zip(teacher, student, strict=True))
        return sum(patient(t, s) for t, s in pairs) / len(pairs)
    teacher, student = comparable("patient", teacher, student)
    if len(student.shape) not in (2, 3):
        raise ValueError(
            "patient takes (batch, width) or (batch, time, width). Received: teacher "
            f"{tuple(teacher.shape)}, student {tuple(student.shape)}."
        )
    if len(student.shape) == 3:
        teacher, student = teacher[:, 0], student[:, 0]
    gaps = l2_normalize(teacher) - l2_normalize(student)
    return ops.mean(ops.square(gaps), axis=-1)


@register
class Patient(DistillationLoss):
    """The student's [CLS] states point where the teacher's do, layer by layer.

    Formula:
        mean over layers and features of (t / ‖t‖₂ − s / ‖s‖₂)²,  t, s = states of [CLS]

    When to use:
        Transfers what a transformer's layers say of the whole sequence, for classifiers
        that read [CLS]; a term may read a list of layers. Students of another width
        get a learned `DenseAdapter`. Usual weight 100 (its authors search 10 to 1000),
        beside temperature KL.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.Patient()
    loss(teacher_features, student_features)  # a scalar
    ```

    Reference:
        Sun, Cheng, Gan, Liu. Patient Knowledge Distillation for BERT Model
        Compression. EMNLP 2019. https://arxiv.org/abs/1908.09355
    """

    compares = "features"

    def call(self, teacher, student):
        return patient(teacher, student)
