"""Multi-level distillation: predictions, their classes and their examples alike.

    class_correlation   ‖PᵀP − QᵀQ‖² / C
    batch_correlation   ‖PPᵀ − QQᵀ‖² / N
                        P = softmax(teacher / T),  Q = softmax(student / T),  (N, C)

With D = P − Q and S = P + Q, `PPᵀ − QQᵀ = ½ (SDᵀ + DSᵀ)`: nothing cancels where student
and teacher are close. The norm of `½ (DᵀS + SᵀD)`, whose size is C × C, is that of
matrices of size N × N: `½ (⟨DDᵀ, SSᵀ⟩ + Σ_ij M_ij M_ji)` with `M = SDᵀ`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.losses.logit.chunks import as_rows, is_large, learns, like_positions
from keras_kd.losses.logit.kl import (
    kl_divergence,
    scaled_back,
    standardize_logits,
)
from keras_kd.losses.logit.large_levels import large_levels
from keras_kd.losses.logit.large_relations import (
    large_batch_gaps,
    large_class_gap,
    row_products,
    squared_batch_gaps,
    squared_class_gap,
)
from keras_kd.losses.logit.rows import (
    counting,
    fewer_rows_than_classes,
    probabilities,
    sum_of_each_example,
)
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, for_each_example, number_like
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import positive, several_classes


def class_correlation(
    teacher: Any, student: Any, temperature: Any = 4.0, mask: Any = None
) -> Any:
    """How the classes go together over the batch: `‖PᵀP − QᵀQ‖² / C`.

    A value of the batch as a whole, given to each example. The C × C matrices are only
    built where they are smaller than those of rows × rows.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`, whose unmasked
            positions are all rows of P.
        student: logits of the same shape.
        temperature: positive float or scalar tensor. Defaults to 4.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    class_correlation(teacher_logits, student_logits)  # the same for each example
    ```

    Reference:
        Jin, Wang, Lin. Multi-Level Logit Distillation. CVPR 2023.
        https://openaccess.thecvf.com/content/CVPR2023/html/Jin_Multi-Level_Logit_Distillation_CVPR_2023_paper.html
    """
    teacher, student = comparable("class_correlation", teacher, student)
    several_classes("class_correlation", student.shape)
    kept, learned = counting(student, mask), learns(temperature)
    temperature = number_like(temperature, student)
    few = fewer_rows_than_classes(student)
    if few and is_large(student):
        rows = as_rows(teacher), as_rows(student)
        value = large_class_gap(*rows, kept, temperature, learned)
    else:
        p, q = (probabilities(z, temperature, kept) for z in (teacher, student))
        # The same through (C, C) where that is the smaller one.
        value = squared_class_gap(*row_products(p, q)) if few else _square(p, q)
    return for_each_example(value / student.shape[-1], student)


def _square(p, q):
    """`‖PᵀP − QᵀQ‖²` through matrices of classes × classes."""
    crossed = ops.matmul(ops.transpose(p - q), p + q)
    return ops.sum(ops.square(0.5 * (crossed + ops.transpose(crossed))))


def batch_correlation(
    teacher: Any, student: Any, temperature: Any = 4.0, mask: Any = None
) -> Any:
    """How the examples go together over the classes: `‖PPᵀ − QQᵀ‖² / N`.

    Each example's value is its row of the sum.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`, whose unmasked
            positions are all rows of P.
        student: logits of the same shape.
        temperature: positive float or scalar tensor. Defaults to 4.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    batch_correlation(teacher_logits, student_logits)  # (batch,)
    ```

    Reference:
        Jin, Wang, Lin. Multi-Level Logit Distillation. CVPR 2023.
        https://openaccess.thecvf.com/content/CVPR2023/html/Jin_Multi-Level_Logit_Distillation_CVPR_2023_paper.html
    """
    teacher, student = comparable("batch_correlation", teacher, student)
    several_classes("batch_correlation", student.shape)
    kept, learned = counting(student, mask), learns(temperature)
    temperature = number_like(temperature, student)
    if is_large(student):
        rows = as_rows(teacher), as_rows(student)
        gaps = large_batch_gaps(*rows, kept, temperature, learned)
    else:
        p, q = (probabilities(z, temperature, kept) for z in (teacher, student))
        gaps = squared_batch_gaps(row_products(p, q)[0])
    return _of_examples(gaps, student, kept)


def _of_examples(gaps, student, kept):
    """The gaps of rows as values of examples, whose mean is their sum over the rows."""
    values = sum_of_each_example(gaps, student)
    examples = ops.cast(ops.shape(student)[0], values.dtype)
    return values * ops.divide_no_nan(examples, ops.sum(kept))


@register
class MultiLevelKD(DistillationLoss):
    """Predictions, class correlations and batch correlations at several temperatures.

    Formula:
        Σ_T [T² · KL(P ‖ Q) + ‖PᵀP − QᵀQ‖² / C + ‖PPᵀ − QQᵀ‖² / N]
        P = softmax(z_t / T), Q = softmax(z_s / T), over T in {base, 2, 3, 5, 6}

    When to use:
        It transfers each prediction, and how predictions relate over the batch, from
        logits alone, so that it suits pairs of different architecture. At weight 0.9
        beside a hard loss of 0.1. The published gains also owe to twice the epochs and
        to a second, strongly augmented view of each image.

    The paper sums all three levels over the temperatures, as this does;
    `every_temperature=False` takes the two correlations at the base temperature alone.
    The authors' code trains on two views of each image. Its masks, for examples and
    classes that the teacher is not sure of, multiply values that are means already,
    and so halve a part of them; here is nothing of this kind.

    Args:
        base_temperature: positive float, or a schedule; `loss.base_temperature` is a
            variable. Defaults to 4.
        temperatures: positive floats, the further temperatures. Defaults to
            `(2, 3, 5, 6)`.
        every_temperature: bool. Compare the correlations at each temperature, and not
            at the base alone. Defaults to True.
        standardize: bool. Pass both sides through `standardize_logits` for the KL, as
            in Sun et al., CVPR 2024, whose code leaves the correlations as they are.
            Defaults to False.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.MultiLevelKD()
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Jin, Wang, Lin. Multi-Level Logit Distillation. CVPR 2023.
        https://openaccess.thecvf.com/content/CVPR2023/html/Jin_Multi-Level_Logit_Distillation_CVPR_2023_paper.html
    """

    compares = "logits"
    across_examples = True
    takes_mask = True

    def __init__(
        self,
        base_temperature: Number = 4.0,
        temperatures: Sequence[float] = (2.0, 3.0, 5.0, 6.0),
        every_temperature: bool = True,
        standardize: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.base_temperature = Hyperparameter(
            base_temperature, "base_temperature", positive
        )
        self.temperatures = [positive("temperatures", t) for t in temperatures]
        self.every_temperature = bool(every_temperature)
        self.standardize = bool(standardize)

    def call(self, teacher, student, mask=None):
        self.check_shapes(teacher.shape, student.shape)
        levels = [self.base_temperature, *self.temperatures]
        related = levels if self.every_temperature else levels[:1]
        if is_large(student) and fewer_rows_than_classes(student):
            return self._large(teacher, student, levels, len(related), mask)
        values = [
            relation(teacher, student, temperature, mask)
            for temperature in related
            for relation in (class_correlation, batch_correlation)
        ]
        if self.standardize:
            teacher, student = standardize_logits(teacher), standardize_logits(student)
        values += [kl_divergence(teacher, student, t, mask) for t in levels]
        return sum(values)

    def _large(self, teacher, student, levels, related, mask):
        """The same over very many classes, with one gradient for all of it."""
        teacher, student = comparable("MultiLevelKD", teacher, student)
        kept = counting(student, mask)
        levels = [number_like(temperature, student) for temperature in levels]
        found = large_levels(teacher, student, kept, levels, related, self.standardize)
        values = [
            scaled_back(like_positions(value, student), temperature, mask)
            for value, temperature in zip(found.divergences, levels, strict=True)
        ]
        values += [x[0] / student.shape[-1] for x in found.class_gaps]
        values += [_of_examples(x, student, kept) for x in found.batch_gaps]
        return sum(values)

    def get_config(self):
        return {
            **super().get_config(),
            "base_temperature": self.base_temperature.get_config(),
            "temperatures": self.temperatures,
            "every_temperature": self.every_temperature,
            "standardize": self.standardize,
        }
