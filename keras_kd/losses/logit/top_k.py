"""The teacher's few largest probabilities, and nothing else of it.

top_k_cross_entropy   −Σ_c target_c · log q_c,  q = softmax(student)
                      target = v on the top-k classes, (1 − Σ v) / (C − k) on the others

With ρ = (1 − Σ v) / (C − k), of the k gathered logits and two sums over the classes:

    Σ target · lse(z) − Σ_k (v_k − ρ) z_k − ρ Σ_c z_c
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.logit import chunks
from keras_kd.losses.logit.chunks import is_large
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import (
    at_least_float32,
    checked_mask,
    mean_over_positions,
    without_gradient,
)
from keras_kd.registration import register
from keras_kd.validation import positive_int, same_shape, several_classes

VALUES, INDICES = "values", "indices"


def top_k_cross_entropy(
    values: Any,
    indices: Any,
    student: Any,
    num_classes: int | None = None,
    mask: Any = None,
) -> Any:
    """Cross-entropy against the teacher's largest probabilities.

    What they leave of 1 is spread evenly over the other classes; the target itself is
    never made.

    Args:
        values: tensor `(batch, ..., k)`, the teacher's largest probabilities.
        indices: int tensor of that shape, their classes, each once.
        student: logits `(batch, ..., classes)`.
        num_classes: int, how many classes the teacher has. Defaults to None: the
            student's.
        mask: bool tensor of the logits' shape without the classes, True where a
            position counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes do not go together, there is a single class,
            more values than classes, or another number of classes than the student's.

    Example:

    ```python
    values = keras.ops.array([[0.7, 0.2]])
    indices = keras.ops.array([[3, 0]])
    top_k_cross_entropy(values, indices, keras.ops.zeros((1, 5)))  # [log 5]
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528
    """
    values, student = at_least_float32(values, student)
    indices = ops.convert_to_tensor(indices)
    _check(values, indices, student, num_classes)
    values = without_gradient(values)
    if mask is not None:  # what stands at padding may be no number
        there = ops.expand_dims(checked_mask(mask, student.shape[:-1]), -1)
        values = ops.where(there, values, ops.zeros_like(values))
    rest, others = 1.0 - ops.sum(values, axis=-1), student.shape[-1] - values.shape[-1]
    each = rest / others if others else ops.zeros_like(rest)
    # Probabilities stored in few bits may not add up to 1 where all classes are kept.
    whole = ops.ones_like(rest) if others else ops.sum(values, axis=-1)
    # Logits are taken from their largest, so that nothing is lost in large ones.
    largest = ops.stop_gradient(ops.max(student, axis=-1, keepdims=True))
    indices = ops.clip(ops.cast(indices, "int32"), 0, student.shape[-1] - 1)
    top = ops.take_along_axis(student, indices, axis=-1) - largest
    gathered = ops.sum((values - ops.expand_dims(each, -1)) * top, axis=-1)
    of_all = _large_of_all if is_large(student) else _of_all
    return mean_over_positions(of_all(student, largest, whole, each) - gathered, mask)


def _of_all(student, largest, whole, each):
    """`whole · lse(z) − each · Σ z` over the classes, with `z = student − largest`."""
    shifted = student - largest
    return whole * ops.logsumexp(shifted, axis=-1) - each * ops.sum(shifted, axis=-1)


def _large_of_all(student, largest, whole, each):
    """The same slice by slice, with the gradient `whole · softmax(z) − each`."""

    def formula(student, temperature, whole, each):
        part = chunks.partition(student, temperature)
        sums = chunks.total(lambda z: chunks.row_sum(part.scaled(z)), student)

        def backward(upstream):
            mass, even = (ops.expand_dims(upstream, -1) * x for x in (whole, each))
            return chunks.Slope(
                lambda z: ops.exp(part.log_softmax(z)) * mass - even, (student,)
            )

        values = whole * part.log_total - each * sums
        return ops.squeeze(values, -1), backward

    rows = chunks.as_rows(student)
    one = ops.ones((), student.dtype)
    per_row = [ops.reshape(x, (-1, 1)) for x in (whole, each)]
    values = chunks.with_slope(formula, rows, one, *per_row)
    return chunks.like_positions(values, student)


def _log_total(logits):
    """`logsumexp` of each position, kept as `(..., 1)`."""
    if not is_large(logits):
        return ops.logsumexp(logits, axis=-1, keepdims=True)
    part = chunks.partition(chunks.as_rows(logits), ops.ones((), logits.dtype))
    totals = ops.squeeze(part.top + part.log_total, -1)
    return ops.expand_dims(chunks.like_positions(totals, logits), -1)


def _check(values, indices, student, num_classes):
    several_classes("top_k_cross_entropy", student.shape)
    same_shape("top_k_cross_entropy: `values` and", indices.shape, values.shape)
    classes = student.shape[-1]
    if num_classes is not None and num_classes != classes:
        raise ValueError(
            f"`num_classes` must be the student's, {classes}. Received: "
            f"num_classes={num_classes}."
        )
    if len(values.shape) != len(student.shape) or values.shape[-1] > classes:
        raise ValueError(
            "top_k_cross_entropy takes `values` of the student's shape with k in place "
            f"of the classes. Received: values {tuple(values.shape)}, student "
            f"{tuple(student.shape)}."
        )


@register
class TopKDistillation(DistillationLoss):
    """Cross-entropy against the teacher's few largest probabilities.

    Formula:
        −Σ_c target_c · log softmax(z_s)_c
        target = the top-k probabilities; elsewhere (1 − Σ top-k) / (C − k)

    When to use:
        With stored targets, where k values a view take the place of all classes, or
        with very many classes. What the teacher says below its top k is lost, so it
        wants no high temperature. Used alone, with `hard_loss_weight=0`, in both
        papers.

    The teacher's side is its logits, whose softmax and top k are taken here, or what
    was stored: `{"values": …, "indices": …}`.

    Args:
        k: int, how many probabilities of live logits count. Defaults to 10.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.TopKDistillation(k=3)
    loss(teacher_logits, student_logits)  # a scalar
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528. Wu et al. TinyViT: Fast
        Pretraining Distillation for Small Vision Transformers. ECCV 2022.
        https://arxiv.org/abs/2207.10666
    """

    compares = "logits"
    takes_mask = True

    def __init__(self, k: int = 10, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = positive_int("k", k)

    def check_shapes(self, teacher, student):
        super().check_shapes(teacher, student)
        if student[-1] is not None and self.k > student[-1]:
            raise ValueError(
                f"`k` must be at most the number of classes, {student[-1]}. Received: "
                f"k={self.k}, teacher {tuple(teacher)}, student {tuple(student)}."
            )

    def call(self, teacher, student, mask=None):
        if isinstance(teacher, dict):
            values, indices = teacher[VALUES], teacher[INDICES]
        else:
            self.check_shapes(teacher.shape, student.shape)
            logits, indices = ops.top_k(teacher, self.k)
            values = ops.exp(logits - _log_total(teacher))
        return top_k_cross_entropy(values, indices, student, mask=mask)

    def get_config(self):
        return {**super().get_config(), "k": self.k}
