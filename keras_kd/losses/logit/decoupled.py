"""Decoupled distillation: the label's class apart from all the others.

    decoupled_kd   T² · (α · TCKD + β · NCKD)
                   TCKD   KL of the pair [p_y, 1 − p_y]
                   NCKD   KL of the softmax over the classes other than y
                   p = softmax(teacher / T),  q = softmax(student / T)

Plain distillation is `TCKD + (1 − p_y) · NCKD`: a teacher who is sure of the label
hands on next to nothing of the rest. Here the rest has a weight of its own.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import as_rows, is_large, learns, like_positions
from keras_kd.losses.logit.kl import standardize_logits
from keras_kd.losses.logit.labels import class_numbers, is_class, target_and_others
from keras_kd.losses.logit.large_labels import large_decoupled
from keras_kd.losses.numerics import comparable, mean_over_positions, number_like
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import non_negative, several_classes


def decoupled_kd(
    teacher: Any,
    student: Any,
    labels: Any,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: Any = 4.0,
    mask: Any = None,
) -> Any:
    """The divergence at the label's class and among the others, weighed apart.

    `T² (α TCKD + β NCKD)`. `log(1 − p_y)` is taken from the other logits, so that it
    keeps its digits where `p_y` is 1, and the label's class is left out of NCKD
    altogether: the 1000 that the authors' code subtracts from its logit is too
    little beside logits of 10,000, and makes no difference beside usual ones. With
    two classes NCKD is 0.

    Args:
        teacher: logits `(batch, classes)` or `(batch, ..., classes)`.
        student: logits of the same shape.
        labels: class numbers of the shape without classes, or one-hot or soft
            labels of the logits' shape, whose largest entry counts.
        alpha: float, the weight of TCKD. Defaults to 1.
        beta: float, the weight of NCKD. Defaults to 8.
        temperature: positive float or scalar tensor. Defaults to 4.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ, or there is a single class.

    Example:

    ```python
    decoupled_kd(teacher_logits, student_logits, labels, beta=2.0)  # (batch,)
    ```

    Reference:
        Zhao, Cui, Song, Qiu, Liang. Decoupled Knowledge Distillation. CVPR 2022.
        https://arxiv.org/abs/2203.08679
    """
    teacher, student = comparable("decoupled_kd", teacher, student)
    several_classes("decoupled_kd", student.shape)
    numbers = class_numbers("decoupled_kd", labels, student)
    learned = learns(temperature)
    temperature = number_like(temperature, student)
    if is_large(student):
        rows = as_rows(teacher), as_rows(student), ops.reshape(numbers, (-1, 1))
        both = large_decoupled(*rows, temperature, learned)
        tckd, nckd = (like_positions(both[:, at], student) for at in (0, 1))
    else:
        is_target = is_class(numbers, student)
        target_p, others_p = _split(teacher / temperature, is_target)
        target_q, others_q = _split(student / temperature, is_target)
        tckd = _divergence(target_p, target_q)
        nckd = _divergence(others_p, others_q)
    values = ops.square(temperature) * (alpha * tckd + beta * nckd)
    return mean_over_positions(values, mask)


def _split(logits, is_target):
    """log [p_y, 1 − p_y], and the log-softmax over the classes other than y."""
    target, others = target_and_others(logits, is_target)
    ahead = target - ops.logsumexp(others, axis=-1)
    pair = ops.stack([-ops.softplus(-ahead), -ops.softplus(ahead)], axis=-1)
    return pair, ops.log_softmax(others, axis=-1)


def _divergence(log_p, log_q):
    p = ops.exp(log_p)
    # Set aside before the difference, for a temperature's gradient as well: a class
    # of p = 0 adds nothing, where −∞ + ∞ is no number.
    log_p, log_q = (ops.where(p > 0, x, ops.zeros_like(x)) for x in (log_p, log_q))
    return ops.sum(p * (log_p - log_q), axis=-1)


@register
class DecoupledKD(TemperatureLoss):
    """Distillation with the label's class and the other classes weighed apart.

    Formula:
        T² · (α · KL([p_y, 1−p_y] ‖ [q_y, 1−q_y]) + β · KL(p̂ ‖ q̂))
        p, q = softmax(z / T);  p̂, q̂ = softmax over the classes other than y

    When to use:
        It hands on what a confident teacher knows of the wrong classes, which plain
        distillation weighs with 1 − p_y. A strong default for classifiers of equal or
        different architecture, at weight 1 beside the full hard loss, warmed up over
        20 epochs. On ImageNet the authors take β = 0.5 and T = 1; where the teacher
        is unsure or the labels are noisy, a large β hands on noise.

    The value is that of the authors' code, which subtracts 1000 from the label's
    logit where this leaves the class out.

    Args:
        alpha: non-negative float, the weight of the label's class. Defaults to 1.
        beta: non-negative float, the weight of the others. Defaults to 8.
        temperature: positive float, or a schedule; `loss.temperature` is a
            variable. Defaults to 4.
        standardize: bool. Pass both sides through `standardize_logits` first (Sun
            et al., CVPR 2024). Defaults to False.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.DecoupledKD(beta=2.0)
    loss({"teacher": teacher_logits, "labels": labels}, student_logits)  # a scalar
    ```

    Reference:
        Zhao, Cui, Song, Qiu, Liang. Decoupled Knowledge Distillation. CVPR 2022.
        https://arxiv.org/abs/2203.08679
    """

    compares = "logits"
    uses_labels = True
    takes_mask = True

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: Number = 4.0,
        standardize: bool = False,
        **kwargs: Any,
    ):
        super().__init__(temperature, **kwargs)
        self.alpha = non_negative("alpha", alpha)
        self.beta = non_negative("beta", beta)
        self.standardize = bool(standardize)

    def call(self, targets, student, mask=None, temperature=None):
        teacher = targets["teacher"]
        if self.standardize:
            self.check_shapes(teacher.shape, student.shape)
            teacher, student = standardize_logits(teacher), standardize_logits(student)
        temperature = self._or_own(temperature)
        return decoupled_kd(
            teacher,
            student,
            targets["labels"],
            self.alpha,
            self.beta,
            temperature,
            mask,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "standardize": self.standardize,
        }
