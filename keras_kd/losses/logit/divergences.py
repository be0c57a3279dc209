"""Divergences between softened classes other than the forward KL.

reverse_kl        T² · KL(q ‖ p)
symmetric_kl      T² · (KL(p ‖ q) + balance · KL(q ‖ p))
generalized_jsd   β · KL(p ‖ m) + (1 − β) · KL(q ‖ m),  m = β p + (1 − β) q
                  β = 0: KL(p ‖ q);  β = 1: KL(q ‖ p);  no T²

p = softmax(teacher / T),  q = softmax(student / T)
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import finite
from keras_kd.losses.logit.softened import (
    FORWARD,
    REVERSE,
    Divergence,
    gaps,
    softened_divergence,
)
from keras_kd.losses.numerics import mean_over_positions, number_like
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import non_negative, share


def reverse_kl(
    teacher: Any, student: Any, temperature: Any = 4.0, mask: Any = None
) -> Any:
    """T² times the divergence of the teacher's softened classes from the student's.

    `T² · Σ_c q (log q − log p)`: the student pays for what the teacher rules out, and
    not for what it leaves out itself.

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
    reverse_kl(teacher_logits, student_logits, temperature=1.0)  # (batch,)
    ```

    Reference:
        Gu, Dong, Wei, Huang. MiniLLM: Knowledge Distillation of Large Language
        Models. ICLR 2024. https://arxiv.org/abs/2306.08543
    """
    values = softened_divergence("reverse_kl", REVERSE, teacher, student, temperature)
    squared = ops.square(number_like(temperature, values))
    return mean_over_positions(squared * values, mask)


def symmetric_kl(
    teacher: Any,
    student: Any,
    temperature: Any = 4.0,
    balance: float = 1.0,
    mask: Any = None,
) -> Any:
    """T² times the divergences in both directions.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        temperature: positive float or scalar tensor. Defaults to 4.
        balance: float, the weight of the reverse direction. Defaults to 1.
        mask: as in `reverse_kl`.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    symmetric_kl(teacher_logits, student_logits, balance=0.5)  # (batch,)
    ```

    Reference:
        Kullback, Leibler. On Information and Sufficiency. Annals of Mathematical
        Statistics, 1951. https://doi.org/10.1214/aoms/1177729694
    """
    both = Divergence(
        *(
            lambda p, q, of=of, back=back: of(p, q) + balance * back(p, q)
            for of, back in zip(FORWARD, REVERSE, strict=True)
        )
    )
    values = softened_divergence("symmetric_kl", both, teacher, student, temperature)
    squared = ops.square(number_like(temperature, values))
    return mean_over_positions(squared * values, mask)


def generalized_jsd(
    teacher: Any,
    student: Any,
    beta: float = 0.5,
    temperature: Any = 0.9,
    mask: Any = None,
) -> Any:
    """The divergence of both sides from a mixture of them.

    `β KL(p ‖ m) + (1 − β) KL(q ‖ m)` with `m = β p + (1 − β) q`, mixed in log space.
    At the ends, as in the authors' code, it is `KL(p ‖ q)` for β = 0 and `KL(q ‖ p)`
    for β = 1. No factor T².

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        beta: float from 0 to 1. Defaults to 0.5.
        temperature: positive float or scalar tensor. Defaults to 0.9.
        mask: as in `reverse_kl`.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ, there is a single class, or beta is out
            of its range.

    Example:

    ```python
    generalized_jsd(teacher_logits, student_logits, beta=0.1)  # (batch,)
    ```

    Reference:
        Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem. On-Policy
        Distillation of Language Models: Learning from Self-Generated Mistakes. ICLR
        2024. https://arxiv.org/abs/2306.13649
    """
    share("beta", beta)
    kind = {0.0: FORWARD, 1.0: REVERSE}.get(float(beta)) or _towards_mixture(beta)
    values = softened_divergence("generalized_jsd", kind, teacher, student, temperature)
    return mean_over_positions(values, mask)


def _towards_mixture(beta):
    """The divergences of both sides from `m = β p + (1 − β) q`.

    What moves m itself adds nothing to the slopes: there `Σ m (∂ log m) = 0` remains.
    """

    def parts(log_p, log_q):
        # A class that both rule out is out of the mixture too.
        log_p, log_q = finite(log_p), finite(log_q)
        log_m = ops.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))
        return beta * gaps(log_p, log_m), (1.0 - beta) * gaps(log_q, log_m)

    return Divergence(
        value=lambda log_p, log_q: sum(parts(log_p, log_q)),
        by_teacher=lambda log_p, log_q: parts(log_p, log_q)[0],
        by_student=lambda log_p, log_q: parts(log_p, log_q)[1],
    )


@register
class ReverseKL(TemperatureLoss):
    """The divergence the other way round: the student keeps to what the teacher allows.

    Formula:
        T² · Σ_c q_c (log q_c − log p_c),  p = softmax(z_t / T), q = softmax(z_s / T)

    When to use:
        Where the student is too small for all that the teacher says, as in generating
        text: it seeks one of the teacher's modes instead of covering all. For
        classifiers of images the forward KL is the usual choice.

    Args:
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 4.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ReverseKL(temperature=1.0)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Gu, Dong, Wei, Huang. MiniLLM: Knowledge Distillation of Large Language
        Models. ICLR 2024. https://arxiv.org/abs/2306.08543
    """

    compares = "logits"
    takes_mask = True

    def __init__(self, temperature: Number = 4.0, **kwargs: Any):
        super().__init__(temperature, **kwargs)

    def call(self, teacher, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return reverse_kl(teacher, student, temperature, mask)


@register
class SymmetricKL(TemperatureLoss):
    """The divergences in both directions.

    Formula:
        T² · (KL(p ‖ q) + balance · KL(q ‖ p)),  p = softmax(z_t / T), q = softmax(z_s / T)

    When to use:
        Where the student should cover what the teacher says and rule out what it
        rules out, as among peers that teach each other. Usual weight as of the KL.

    Args:
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 4.
        balance: non-negative float, the weight of the reverse direction. Defaults
            to 1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.SymmetricKL(balance=0.5)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Kullback, Leibler. On Information and Sufficiency. Annals of Mathematical
        Statistics, 1951. https://doi.org/10.1214/aoms/1177729694
    """  # noqa: E501

    compares = "logits"
    takes_mask = True

    def __init__(self, temperature: Number = 4.0, balance: float = 1.0, **kwargs: Any):
        super().__init__(temperature, **kwargs)
        self.balance = non_negative("balance", balance)

    def call(self, teacher, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return symmetric_kl(teacher, student, temperature, self.balance, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "balance": self.balance,
        }


@register
class GeneralizedJSD(TemperatureLoss):
    """The divergence of both sides from a mixture of them, bounded however they differ.

    Formula:
        β · KL(p ‖ m) + (1 − β) · KL(q ‖ m),  m = β p + (1 − β) q
        β = 0: KL(p ‖ q);  β = 1: KL(q ‖ p);  p, q = softmax(z / T), no T²

    When to use:
        For language models that learn from text of their own, where neither KL suits
        every task: β between 0.1 and 0.9 moves from covering the teacher's modes to
        seeking one. Without the factor T², so keep the temperature near 1.

    Args:
        beta: float from 0 to 1. Defaults to 0.5.
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 0.9.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.GeneralizedJSD(beta=0.1)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem. On-Policy
        Distillation of Language Models: Learning from Self-Generated Mistakes. ICLR
        2024. https://arxiv.org/abs/2306.13649
    """

    compares = "logits"
    takes_mask = True

    def __init__(self, beta: float = 0.5, temperature: Number = 0.9, **kwargs: Any):
        super().__init__(temperature, **kwargs)
        self.beta = share("beta", beta)

    def call(self, teacher, student, mask=None, temperature=None):
        temperature = self._or_own(temperature)
        return generalized_jsd(teacher, student, self.beta, temperature, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "beta": self.beta,
        }
