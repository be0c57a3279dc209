"""Methods between transformers: hidden states, attention and relations of tokens.

Taps such as `"block_2/attention@values"` read the inside of attention layers, and bring
the padding masks along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd.layers import DenseAdapter, MaskFrom
from keras_kd.losses import (
    AttentionMatrix,
    HiddenState,
    Patient,
    QueryKeyRelation,
    ValueRelation,
)
from keras_kd.methods.pairs import checked_pairs, each_pair
from keras_kd.terms import DistillationTerm, default_name
from keras_kd.types import Number, Tap
from keras_kd.validation import one_of


def tinybert(
    layers: Mapping[Tap, Tap],
    attention: Mapping[Tap, Tap] | None = None,
    embedding: tuple[Tap, Tap] | None = None,
    weight: Number = 1.0,
) -> list[DistillationTerm]:
    """TinyBERT: hidden states and attention scores, layer by layer.

    Hidden states pass through a learned projection to the teacher's width, each pair
    through its own; the authors' code shares one. Padding is left out, by the masks of
    the student's attention layers. The paper maps the student's layers to every third
    of the teacher's, and trains so first, alone (`hard_loss_weight=0.0`), then with
    `hinton(temperature=1.0, weight=1.0)`.

    The attention layers of a pair need as many heads on both sides: with other heads
    use `minilm`. Between networks of different kinds neither layers nor positions
    correspond.

    Args:
        layers: `{student layer: teacher layer}`, whose outputs are hidden states.
        attention: `{student attention layer: teacher attention layer}`. Defaults to
            None: the attention layers within `layers`. `{}` leaves attention out, and
            then nothing tells the padding.
        embedding: pair of the student's and the teacher's embedding layer, to compare
            their outputs too. Defaults to None.
        weight: non-negative float or schedule, for each term. Defaults to 1.

    Returns:
        Terms `"hidden_state_<tap>"` and `"attention_matrix_<tap>"` per pair.

    Example:

    ```python
    terms = methods.tinybert(
        {"block_1": "layer_3", "block_2": "layer_6"}, embedding=("tokens", "tokens")
    )
    ```

    Reference:
        Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu. TinyBERT: Distilling BERT for
        Natural Language Understanding. Findings of EMNLP 2020.
        https://arxiv.org/abs/1909.10351
    """
    attention = checked_pairs(layers) if attention is None else attention
    hidden = dict(layers) | (dict([embedding]) if embedding else {})
    scores = {
        f"{student}@attention_scores": f"{teacher}@attention_scores"
        for student, teacher in attention.items()
    }
    masked = next((f"{student}@queries" for student in attention), None)
    return [
        DistillationTerm(
            HiddenState(),
            student if masked is None else [student, masked],
            teacher,
            adapter=_projection,
            weight=weight,
            name=default_name("hidden_state", student),
        )
        for student, teacher in hidden.items()
    ] + (each_pair(AttentionMatrix, scores, weight) if scores else [])


def _projection(student_shape: Any, teacher_shape: Any) -> Any:
    """A learned map to the teacher's width, with the mask of a second tap."""
    dense = DenseAdapter(teacher_shape[-1], dtype="float32")
    several = isinstance(student_shape, list)
    return MaskFrom(dense, dtype="float32") if several else dense


def minilm(
    student_attention: Tap,
    teacher_attention: Tap,
    version: int = 2,
    heads: int | None = None,
    weight: Number = 1.0,
) -> list[DistillationTerm]:
    """MiniLM: the student's last self-attention relates tokens as the teacher's does.

    No adapter stands between, and one layer is enough, so depths and widths are free;
    heads are free with `heads`. The paper distils the teacher's last layer (of large
    teachers one in the middle) in pre-training, by this alone; on a task add labels
    or `hinton()`. Made for encoders: a causal mask is not seen, padding is.

    Args:
        student_attention: an attention layer of the student, or a block with one.
        teacher_attention: one of the teacher.
        version: 2 compares queries with queries, keys with keys and values with
            values; 1 the attention itself, queries with keys, and values with values.
            Defaults to 2.
        heads: int, the relation heads into which both are split anew; MiniLMv2 uses
            48 for BERT-base. It must divide both widths. Defaults to None: the heads
            as they come, as many on both sides.
        weight: non-negative float or schedule, for each term. Defaults to 1.

    Returns:
        Two terms, `"query_key_relation"` and `"value_relation"`.

    Example:

    ```python
    terms = methods.minilm("block_2/attention", "layer_12/attention", heads=48)
    ```

    Reference:
        Wang, Bao, Huang, Dong, Wei. MiniLMv2: Multi-Head Self-Attention Relation
        Distillation for Compressing Pretrained Transformers. Findings of ACL 2021.
        https://arxiv.org/abs/2012.15828. Version 1: Wang et al. MiniLM. NeurIPS 2020.
        https://arxiv.org/abs/2002.10957
    """
    one_of("version", version, (1, 2))
    relation = "attention" if version == 1 else "self"
    losses = {
        QueryKeyRelation(relation, heads): ["queries", "keys"],
        ValueRelation(heads): "values",
    }

    def within(layer, parts):
        if isinstance(parts, str):
            return f"{layer}@{parts}"
        return [f"{layer}@{part}" for part in parts]

    return [
        DistillationTerm(
            loss,
            within(student_attention, parts),
            within(teacher_attention, parts),
            weight=weight,
            name=loss.name,
        )
        for loss, parts in losses.items()
    ]


def bert_pkd(taps: Mapping[Tap, Tap], weight: Number = 100.0) -> list[DistillationTerm]:
    """Patient KD: the [CLS] states of several layers point where the teacher's do.

    The paper maps the student's layers to every other of the teacher's (PKD-Skip, the
    better) or to its last ones; its objective contains `hinton()` as well: add it. A
    student of another width gets a learned projection for each layer; the paper's has
    the teacher's.

    Args:
        taps: `{student layer: teacher layer}`, whose outputs are `(batch, time,
            width)` with [CLS] first, or `(batch, width)`.
        weight: non-negative float or schedule. The paper searches 10 to 1000.
            Defaults to 100.

    Returns:
        One term over all the layers, `"patient"`.

    Example:

    ```python
    terms = methods.bert_pkd({"block_1": "layer_2", "block_2": "layer_4"})
    ```

    Reference:
        Sun, Cheng, Gan, Liu. Patient Knowledge Distillation for BERT Model
        Compression. EMNLP 2019. https://arxiv.org/abs/1908.09355
    """
    taps = checked_pairs(taps)
    return [
        DistillationTerm(
            Patient(), list(taps), list(taps.values()), weight=weight, name="patient"
        )
    ]
