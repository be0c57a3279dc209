"""How the tokens of an example relate to each other: MiniLM.

value_relation       mean over heads a and tokens i of KL(R_ai ‖ R'_ai)
                     R = softmax(V Vᵀ / √d)
query_key_relation   the same of Q Qᵀ plus the same of K Kᵀ, or of Q Kᵀ

R is the teacher's, R' the student's; each divides by the root of its own d. Padded
keys are left out of the softmax, padded queries out of the mean.
"""

from __future__ import annotations

from typing import Any

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.sequence.relation_heads import divergence, relation_heads, sides
from keras_kd.registration import register
from keras_kd.validation import one_of, positive_int

RELATIONS = ("self", "attention")


def value_relation(
    teacher: Any, student: Any, heads: int | None = None, mask: Any = None
) -> Any:
    """The divergence between the relations of tokens, by their values.

    Args:
        teacher: tensor `(batch, time, heads, dim)` or `(batch, time, width)`: the
            values of an attention layer (or its queries, or its keys).
        student: the same of the student, whose widths may differ.
        heads: int, the relation heads into which both widths are split anew, as in
            MiniLMv2. Defaults to None: the heads as they come, one where there are
            none; both sides must have as many.
        mask: bool tensor `(batch, time)`, True where a position counts. Defaults to
            None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the relation heads and the tokens that count.

    Raises:
        ValueError: where batch, time or the numbers of heads differ.

    Example:

    ```python
    teacher_values = keras.random.normal((2, 5, 12, 16))
    student_values = keras.random.normal((2, 5, 4, 8))
    value_relation(teacher_values, student_values, heads=8)
    ```

    Reference:
        Wang, Wei, Dong, Bao, Yang, Zhou. MiniLM: Deep Self-Attention Distillation for
        Task-Agnostic Compression of Pre-Trained Transformers. NeurIPS 2020.
        https://arxiv.org/abs/2002.10957
    """
    teacher, student = sides("value_relation", teacher, student, heads)
    return divergence((teacher, teacher), (student, student), heads, mask)


def query_key_relation(
    teacher: Any,
    student: Any,
    relation: str = "self",
    heads: int | None = None,
    mask: Any = None,
) -> Any:
    """The divergence between the relations of tokens, by their queries and keys.

    Args:
        teacher: `[queries, keys]`, each `(batch, time, heads, dim)` or `(batch, time,
            width)`; one tensor alone gives its relation with itself.
        student: the same of the student, whose widths may differ.
        relation: `"self"`, queries with queries plus keys with keys, as MiniLMv2 has
            them; or `"attention"`, queries with keys: MiniLM's attention transfer.
            Defaults to `"self"`.
        heads: int, the relation heads into which both widths are split anew. Defaults
            to None: the heads as they come.
        mask: bool tensor `(batch, time)`, True where a position counts. Defaults to
            None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the relation heads and the tokens that count.

    Raises:
        ValueError: where batch, time or the numbers of heads differ.

    Example:

    ```python
    queries, keys = keras.random.normal((2, 2, 5, 4, 8))
    query_key_relation([queries, keys], [keys, queries])
    ```

    Reference:
        Wang, Bao, Huang, Dong, Wei. MiniLMv2: Multi-Head Self-Attention Relation
        Distillation for Compressing Pretrained Transformers. Findings of ACL 2021.
        https://arxiv.org/abs/2012.15828
    """
    one_of("relation", relation, RELATIONS)
    teacher, student = _parts(teacher), _parts(student)
    pairs = [
        sides("query_key_relation", t, s, heads)
        for t, s in zip(teacher, student, strict=True)
    ]
    if relation == "attention":
        if len(pairs) != 2:
            raise ValueError(
                "query_key_relation(relation='attention') takes [queries, keys] on "
                f"both sides. Received {len(pairs)} tensor."
            )
        teacher, student = zip(*pairs, strict=True)
        return divergence(teacher, student, heads, mask)
    return sum(divergence((t, t), (s, s), heads, mask) for t, s in pairs)


def _parts(side):
    return list(side) if isinstance(side, (list, tuple)) else [side]


class _Relation(DistillationLoss):
    """What both have: heads, and masks that may come on the first of several."""

    compares = "relations"
    across_examples = False
    takes_mask = True

    def __init__(self, heads: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads = None if heads is None else positive_int("heads", heads)

    def check_shapes(self, teacher, student):
        relation_heads(type(self).__name__, teacher, student, self.heads)

    def get_config(self):
        return {**super().get_config(), "heads": self.heads}


@register
class ValueRelation(_Relation):
    """Tokens relate to each other in the student as in the teacher, by their values.

    Formula:
        mean over heads a and tokens i of KL(R_ai ‖ R'_ai),  R = softmax(V Vᵀ / √d)

    When to use:
        Transfers how a self-attention layer relates tokens, whatever the widths and,
        with `heads`, the numbers of heads: tap `"layer@values"` of the last layers (or
        `@queries`, `@keys`). No adapter is needed. Usual weight 1, in pre-training
        too; it says nothing of classes, so add labels or `hinton()`.

    Args:
        heads: int, the relation heads into which both widths are split anew (MiniLMv2
            uses 48 for BERT-base). Defaults to None: the heads as they come.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ValueRelation(heads=2)
    values = keras.random.normal((2, 3, 8))
    loss(values, values[..., :4], mask=[[1, 1, 1], [1, 1, 0]])  # a scalar
    ```

    Reference:
        Wang, Wei, Dong, Bao, Yang, Zhou. MiniLM: Deep Self-Attention Distillation for
        Task-Agnostic Compression of Pre-Trained Transformers. NeurIPS 2020.
        https://arxiv.org/abs/2002.10957
    """

    def call(self, teacher, student, mask=None):
        return value_relation(teacher, student, self.heads, mask)


@register
class QueryKeyRelation(_Relation):
    """Tokens relate to each other as in the teacher, by their queries and keys.

    Formula:
        self: mean of KL(R^Q ‖ R'^Q) + mean of KL(R^K ‖ R'^K),  R^X = softmax(X Xᵀ / √d)
        attention: mean over heads and tokens of KL(R ‖ R'),  R = softmax(Q Kᵀ / √d)

    When to use:
        Transfers how a self-attention layer matches tokens: its term reads two taps,
        `["layer@queries", "layer@keys"]`. `"self"` goes with `ValueRelation` in
        MiniLMv2, `"attention"` in MiniLM. Usual weight 1.

    Args:
        relation: `"self"` or `"attention"`. Defaults to `"self"`.
        heads: int, the relation heads into which both widths are split anew. Defaults
            to None: the heads as they come.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.QueryKeyRelation("attention", heads=2)
    queries, keys = keras.random.normal((2, 2, 3, 8))
    loss([queries, keys], [keys, queries])  # a scalar
    ```

    Reference:
        Wang, Bao, Huang, Dong, Wei. MiniLMv2: Multi-Head Self-Attention Relation
        Distillation for Compressing Pretrained Transformers. Findings of ACL 2021.
        https://arxiv.org/abs/2012.15828
    """

    def __init__(self, relation: str = "self", heads: int | None = None, **kwargs: Any):
        super().__init__(heads=heads, **kwargs)
        self.relation = one_of("relation", relation, RELATIONS)

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None, temperature=None):
        if mask is None:
            mask = getattr(_parts(y_pred)[0], "_keras_mask", None)
        return super().__call__(y_true, y_pred, sample_weight, mask, temperature)

    def call(self, teacher, student, mask=None):
        return query_key_relation(teacher, student, self.relation, self.heads, mask)

    def get_config(self):
        return {**super().get_config(), "relation": self.relation}
