"""Temperature KL, over logits as they are or standardized.

kl_divergence       T² · Σ_c p_c (log p_c − log q_c)
                    p = softmax(teacher / T),  q = softmax(student / T)
standardize_logits  (z − mean_c z) / (1e-7 + std_c z)
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit.softened import (
    FORWARD,
    softened_divergence,
    standardized,
)
from keras_kd.losses.numerics import (
    at_least_float32,
    mean_over_positions,
    number_like,
)
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import several_classes


def standardize_logits(logits: Any) -> Any:
    """Each example's logits, shifted to mean 0 and scaled to deviation 1.

    `(z − mean_c z) / (1e-7 + std_c z)`, the deviation with one degree of freedom
    taken off (ddof = 1) as in the authors' code.

    Args:
        logits: tensor `(batch, ..., classes)`.

    Returns:
        Tensor of the same shape.

    Reference:
        Sun, Ren, Li, Wang, Cao. Logit Standardization in Knowledge Distillation.
        CVPR 2024. https://arxiv.org/abs/2403.01427
    """
    (logits,) = at_least_float32(logits)
    several_classes("standardize_logits", logits.shape)
    return standardized(logits)


def kl_divergence(
    teacher: Any, student: Any, temperature: Any = 4.0, mask: Any = None
) -> Any:
    """T² times the divergence of the student's softened classes from the teacher's.

    `T² · Σ_c p (log p − log q)`, with `p = softmax(teacher / T)` and
    `q = softmax(student / T)`. The factor T² keeps the gradient's size when the
    temperature changes.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        temperature: positive float or scalar tensor. Defaults to 4.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    teacher = keras.ops.array([[4.0, 1.0, 0.0]])
    kl_divergence(teacher, teacher)  # [0.]
    kl_divergence(teacher, keras.ops.zeros((1, 3)), temperature=2.0)
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
    """
    return _temperature_kl(teacher, student, temperature, mask)


def _temperature_kl(teacher, student, temperature, mask, standardize=False):
    values = softened_divergence(
        "kl_divergence", FORWARD, teacher, student, temperature, standardize
    )
    return scaled_back(values, temperature, mask)


def scaled_back(values: Any, temperature: Any, mask: Any = None) -> Any:
    """Divergences of positions times T², their mean for each example."""
    squared = ops.square(number_like(temperature, values))
    return mean_over_positions(squared * values, mask)


@register
class KLDistillation(TemperatureLoss):
    """Temperature KL between the teacher's and the student's logits.

    Formula:
        T² · Σ_c p_c (log p_c − log q_c),
        p = softmax(teacher / T), q = softmax(student / T)

        standardized: z becomes (z − mean_c z) / (1e-7 + std_c z) first

    When to use:
        The first thing to try: it transfers how the teacher ranks the wrong classes,
        between any two architectures that share their classes. Weight 0.9 beside a
        hard loss of 0.1, on ImageNet temperature 1 and equal weights. It tells little
        where there are two or three classes; standardize where the student is much
        smaller than the teacher.

    Args:
        temperature: positive float, or a schedule. `loss.temperature` is a
            variable: `loss.temperature.assign(2.0)` acts on a traced graph.
            Defaults to 4.
        standardize: bool. Pass both sides through `standardize_logits` first, so
            that the student is free in the scale of its logits; its authors use
            temperature 2 and weight 9. Defaults to False.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.KLDistillation(temperature=4.0)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
        Sun, Ren, Li, Wang, Cao. Logit Standardization in Knowledge Distillation.
        CVPR 2024. https://arxiv.org/abs/2403.01427 (`standardize`)
    """

    compares = "logits"
    takes_mask = True

    def __init__(
        self, temperature: Number = 4.0, standardize: bool = False, **kwargs: Any
    ):
        super().__init__(temperature, **kwargs)
        self.standardize = bool(standardize)

    def call(self, teacher, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return _temperature_kl(teacher, student, temperature, mask, self.standardize)

    def get_config(self):
        return {
            **super().get_config(),
            "standardize": self.standardize,
        }
