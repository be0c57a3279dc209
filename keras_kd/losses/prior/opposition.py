"""Images on which student and teacher disagree: what a generator looks for.

adversarial   js  −(½ KL(p ‖ m) + ½ KL(q ‖ m)),  m = (p + q) / 2
              l1  −mean |z_t − z_s|

p = softmax(z_t) of the teacher, q = softmax(z_s) of the student.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import absolute, at_least_float32, mean_over_positions
from keras_kd.registration import register
from keras_kd.validation import one_of, same_shape, several_classes

METRICS = ("js", "l1")


def adversarial(teacher: Any, student: Any, metric: str = "js") -> Any:
    """The negative distance between teacher and student, for their generator.

    The gradient flows into both sides: what generates the images learns by it.

    Args:
        teacher: logits `(batch, ..., classes)`.
        student: logits of the same shape.
        metric: `"js"`, the Jensen–Shannon divergence (natural logarithm), or `"l1"`,
            the mean absolute difference of the logits. Defaults to `"js"`.

    Returns:
        Tensor `(batch,)`, from 0 where both agree down to −log 2 (`"js"`).

    Raises:
        ValueError: where the shapes differ or the metric is unknown.

    Example:

    ```python
    logits = keras.ops.array([[4.0, 0.0], [0.0, 4.0]])
    adversarial(logits, -logits, metric="l1")  # [-4., -4.]
    ```

    Reference:
        Fang, Song, Shen, Wang, Chen, Song. Data-Free Adversarial Distillation. 2019.
        https://arxiv.org/abs/1912.11006 (l1). Yin et al. Dreaming to Distill. CVPR
        2020. https://arxiv.org/abs/1912.08795 (js).
    """
    one_of("metric", metric, METRICS)
    teacher, student = at_least_float32(teacher, student)
    same_shape("adversarial", teacher.shape, student.shape)
    several_classes("adversarial", student.shape)
    if metric == "l1":
        return -mean_over_positions(ops.mean(absolute(teacher - student), axis=-1))
    log_p, log_q = (ops.log_softmax(x, axis=-1) for x in (teacher, student))
    both = ops.logsumexp(ops.stack([log_p, log_q]), axis=0)
    log_m = both - math.log(2.0)
    gaps = ops.exp(log_p) * (log_p - log_m) + ops.exp(log_q) * (log_q - log_m)
    return -0.5 * mean_over_positions(ops.sum(gaps, axis=-1))


@register
class Adversarial(DistillationLoss):
    """Generated images show what the student has not learned yet.

    Formula:
        js: −(½ KL(p ‖ m) + ½ KL(q ‖ m)),  m = (p + q) / 2
        l1: −mean |z_t − z_s|

    When to use:
        A data-free prior that drives a generator (or images) to where teacher and
        student disagree, while the student learns there to agree. The gradient flows
        into both sides. `"l1"` keeps a gradient where both are sure; DeepInversion
        weighs `"js"` 0.2 on ImageNet.

    Args:
        metric: `"js"` or `"l1"`. Defaults to `"js"`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.Adversarial("l1")
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Fang, Song, Shen, Wang, Chen, Song. Data-Free Adversarial Distillation. 2019.
        https://arxiv.org/abs/1912.11006
    """

    compares = "logits"
    trains_teacher_side = True

    def __init__(self, metric: str = "js", **kwargs: Any):
        super().__init__(**kwargs)
        self.metric = one_of("metric", metric, METRICS)

    def call(self, teacher, student):
        return adversarial(teacher, student, self.metric)

    def get_config(self):
        return {**super().get_config(), "metric": self.metric}
