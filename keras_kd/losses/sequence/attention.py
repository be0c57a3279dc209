"""Where a transformer looks: its attention scores before the softmax.

attention_matrix   mean over heads, queries and keys of (A − A')²

A = Q Kᵀ / √d of the teacher, A' of the student, without padded queries and keys.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, mean_over_positions
from keras_kd.losses.sequence.masks import position_mask
from keras_kd.registration import register
from keras_kd.validation import same_shape

MASKED = -1e2
"""Scores this low are a mask's −10,000 and no opinion, as in the authors' code."""


def attention_matrix(teacher: Any, student: Any, mask: Any = None) -> Any:
    """The mean squared difference of attention scores, head by head.

    Scores of −100 and less, to which an additive mask brings them, count as 0, as in
    the authors' code; but a student's alone that low keeps its gradient. The authors
    divide by all pairs of positions; here padding is left out of both sums.

    Args:
        teacher: tensor `(batch, heads, queries, keys)`, scores before the softmax (or
            probabilities after it).
        student: tensor of the same shape.
        mask: bool tensor, True where it counts: `(batch, time)` for the tokens of
            self-attention, `(batch, queries, keys)`, or the scores' own shape.
            Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the heads and pairs of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    scores = keras.random.normal((2, 4, 3, 3))
    attention_matrix(scores, scores + 2.0, mask=[[1, 1, 0], [1, 0, 0]])  # [4., 4.]
    ```

    Reference:
        Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu. TinyBERT: Distilling BERT for
        Natural Language Understanding. Findings of EMNLP 2020.
        https://arxiv.org/abs/1909.10351
    """
    check_attention("attention_matrix", teacher.shape, student.shape)
    teacher, student = comparable("attention_matrix", teacher, student)
    hidden = teacher <= MASKED
    student = ops.where(
        ops.logical_and(hidden, student <= MASKED), ops.zeros_like(student), student
    )
    teacher = ops.where(hidden, ops.zeros_like(teacher), teacher)
    counted = pair_mask(mask, student)
    gaps = teacher - student
    if counted is not None:
        gaps = ops.where(counted, gaps, ops.zeros_like(gaps))
    return mean_over_positions(ops.square(gaps), counted)


def check_attention(what: str, teacher: Any, student: Any) -> None:
    """Refuse what is not `(batch, heads, queries, keys)` of one shape."""
    teacher, student = tuple(teacher), tuple(student)
    if len(teacher) == len(student) == 4 and None not in (teacher[1], student[1]):
        if teacher[1] != student[1]:
            raise ValueError(
                f"{what} compares head by head, and the numbers of heads differ: "
                f"teacher {teacher}, student {student}. ValueRelation and "
                "QueryKeyRelation take any, with `heads=...`."
            )
    same_shape(what, teacher, student)
    if len(teacher) != 4:
        raise ValueError(
            f"{what} takes scores (batch, heads, queries, keys), such as the tap "
            f"'layer@attention_scores' gives. Received: teacher {teacher}, student "
            f"{student}."
        )


def pair_mask(mask: Any, scores: Any) -> Any:
    """The mask of queries and keys, in the shape of the scores, or None."""
    if mask is None:
        return None
    mask = ops.convert_to_tensor(mask)
    batch, heads, queries, keys = scores.shape
    if len(mask.shape) == 4:
        mask = position_mask(mask, (batch, heads, queries, keys))
    elif len(mask.shape) == 3:
        mask = position_mask(mask, (batch, queries, keys))[:, None]
    else:
        mask = position_mask(position_mask(mask, (batch, queries)), (batch, keys))
        mask = ops.logical_and(mask[:, None, :, None], mask[:, None, None, :])
    return ops.logical_and(mask, ops.ones_like(scores, dtype="bool"))


@register
class AttentionMatrix(DistillationLoss):
    """The student's attention scores are the teacher's, head by head.

    Formula:
        mean over heads, queries and keys of (A − A')²,  A = Q Kᵀ / √d before the softmax

    When to use:
        Transfers where a transformer looks, between layers of as many heads: tap
        `"layer@attention_scores"` on both sides, whose masks come along. Usual weight
        1, beside `HiddenState`. With other heads use `ValueRelation`.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.AttentionMatrix()
    scores = keras.random.normal((2, 4, 3, 3))
    loss(scores, 0.5 * scores, mask=[[1, 1, 1], [1, 0, 0]])  # a scalar
    ```

    Reference:
        Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu. TinyBERT: Distilling BERT for
        Natural Language Understanding. Findings of EMNLP 2020.
        https://arxiv.org/abs/1909.10351
    """  # noqa: E501

    # No adapter could bring one network's heads to another's.
    compares = "relations"
    across_examples = False
    takes_mask = True

    def call(self, teacher, student, mask=None):
        return attention_matrix(teacher, student, mask)

    def check_shapes(self, teacher, student):
        check_attention(type(self).__name__, teacher, student)
