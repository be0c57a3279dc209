"""DIST: predictions that go together with the teacher's, whatever their size.

dist   T² · (β · (1 − mean over examples of ρ over the classes)
          + γ · (1 − mean over classes of ρ over the batch))
       ρ(a, b) = ⟨a, b⟩ / (‖a‖ ‖b‖ + 1e-8), of centred vectors (Pearson)
       on the probabilities softmax(teacher / T) and softmax(student / T)
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import as_rows, is_large, learns
from keras_kd.losses.logit.large_relations import large_correlations
from keras_kd.losses.logit.pearson import Cosine, moments
from keras_kd.losses.logit.rows import centred_over_rows, counting, probabilities
from keras_kd.losses.numerics import (
    comparable,
    for_each_example,
    mean_over_positions,
    number_like,
)
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import non_negative, several_classes


def dist(
    teacher: Any,
    student: Any,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: Any = 1.0,
    mask: Any = None,
) -> Any:
    """One minus the correlation of the predictions, over classes and over the batch.

    `T² (β (1 − ρ over classes) + γ (1 − ρ over the batch))`. The first part is each
    example's own. The second belongs to the batch as a whole and is given to each
    example; it is over all the unmasked positions. Of a single one it is `γ T²`, with
    no gradient.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        beta: float, the weight of the correlation over classes. Defaults to 1.
        gamma: float, the weight of that over the batch. Defaults to 1.
        temperature: positive float or scalar tensor. Defaults to 1.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    dist(teacher_logits, 3.0 * teacher_logits)  # small: the order is the same
    ```

    Reference:
        Huang, You, Wang, Qian, Xu. Knowledge Distillation from A Stronger Teacher.
        NeurIPS 2022. https://arxiv.org/abs/2205.10536
    """
    teacher, student = comparable("dist", teacher, student)
    several_classes("dist", student.shape)
    apart, together, kept = _correlations(teacher, student, temperature, mask)
    apart = 1.0 - ops.reshape(apart, ops.shape(student)[:-1])
    together = ops.where(ops.any(kept > 0), 1.0 - together, ops.zeros_like(together))
    values = beta * mean_over_positions(apart, mask)
    values = values + gamma * for_each_example(together, student)
    return ops.square(number_like(temperature, values)) * values


def _correlations(teacher, student, temperature, mask):
    """Each row's over the classes, the mean of those over rows, and what counts."""
    kept, learned = counting(student, mask), learns(temperature)
    temperature = number_like(temperature, student)
    if is_large(student):
        rows = as_rows(teacher), as_rows(student)
        both = large_correlations(*rows, kept, temperature, learned)
        return both[:, 0], ops.mean(both[:, 1]), kept
    p, q = (probabilities(z, temperature, kept) for z in (teacher, student))
    center = 1.0 / student.shape[-1]  # probabilities add up to 1
    pairs = (p - center, q - center), [centred_over_rows(x, kept) for x in (p, q)]
    over_classes, over_rows = (
        Cosine(*(ops.sum(x, axis=axis) for x in moments(p, q, *pair))).value
        for pair, axis in zip(pairs, (-1, 0), strict=True)
    )
    return over_classes, ops.mean(over_rows), kept


@register
class DIST(TemperatureLoss):
    """Predictions that go together with the teacher's, whatever their size.

    Formula:
        T² · (β · (1 − mean over examples of ρ over the classes)
            + γ · (1 − mean over classes of ρ over the batch))
        ρ Pearson's correlation of softmax(z_t / T) and softmax(z_s / T)

    When to use:
        It asks for the order of the classes and of the examples, not for the
        probabilities themselves, which a small student cannot reach: for teachers much
        larger, or trained much harder, than the student. Its value lies between 0 and
        2 T² (β + γ), at weight 1 or 2 beside the full hard loss; T = 4 is usual on
        CIFAR. The part over the batch wants batches of tens of examples.

    Args:
        beta: non-negative float, the weight of the correlation over the classes.
            Defaults to 1.
        gamma: non-negative float, the weight of that over the batch. Defaults to 1.
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.DIST(temperature=4.0)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Huang, You, Wang, Qian, Xu. Knowledge Distillation from A Stronger Teacher.
        NeurIPS 2022. https://arxiv.org/abs/2205.10536
    """

    compares = "logits"
    across_examples = True
    takes_mask = True

    def __init__(
        self,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: Number = 1.0,
        **kwargs: Any,
    ):
        super().__init__(temperature, **kwargs)
        self.beta = non_negative("beta", beta)
        self.gamma = non_negative("gamma", gamma)

    def call(self, teacher, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return dist(teacher, student, self.beta, self.gamma, temperature, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "beta": self.beta,
            "gamma": self.gamma,
        }
