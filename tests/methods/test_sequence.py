"""Published recipes between transformers: their terms, padding, and training."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, FeatureExtractor, methods
from keras_kd.layers import DenseAdapter, MaskFrom
from keras_kd.losses import HiddenState
from keras_kd.taps import flat_taps, select
from tests.models import cross_entropy
from tests.transformers import change_padding, sentences, transformer

BLOCKS = {"block_1": "block_1", "block_2": "block_2"}
ATTENTION = {"attention_1": "attention_1", "attention_2": "attention_2"}
METHODS = {
    "tinybert": lambda: methods.tinybert(BLOCKS, ATTENTION, ("tokens", "tokens")),
    "minilm 1": lambda: methods.minilm("attention_2", "attention_2", version=1),
    "minilm 2": lambda: methods.minilm("attention_2", "attention_2", heads=4),
    "bert_pkd": lambda: methods.bert_pkd(BLOCKS),
}


def pair(**student):
    return transformer("t", width=16, seed=1), transformer("s", **student)


def test_tinybert():
    terms = METHODS["tinybert"]()
    assert [term.name for term in terms] == [
        "hidden_state_block_1",
        "hidden_state_block_2",
        "hidden_state_tokens",
        "attention_matrix_attention_1_attention_scores",
        "attention_matrix_attention_2_attention_scores",
    ]
    assert {float(term.weight) for term in terms} == {1.0}
    Distiller(*pair(), terms)
    for term in terms[:3]:
        assert isinstance(term.adapter, MaskFrom)
        assert isinstance(term.adapter.adapter, DenseAdapter)
        assert term.adapter.adapter.units == 16
    assert {term.adapter for term in terms[3:]} == {None}


def test_tinybert_without_attention():
    (term,) = methods.tinybert({"block_1": "block_2"}, attention={})
    Distiller(*pair(), [term])
    assert isinstance(term.adapter, DenseAdapter)


def test_tinybert_refuses_other_heads():
    with pytest.raises(ValueError, match="head by head"):
        Distiller(*pair(heads=1), METHODS["tinybert"]())


def test_minilm():
    for version, relation in ((1, "attention"), (2, "self")):
        first, second = methods.minilm("a", "b", version, heads=8)
        assert (first.loss.relation, first.loss.heads) == (relation, 8)
        assert (first.student, first.teacher) == (
            ["a@queries", "a@keys"],
            ["b@queries", "b@keys"],
        )
        assert (second.student, second.teacher) == ("a@values", "b@values")
        assert [first.name, second.name] == ["query_key_relation", "value_relation"]
        assert float(first.weight) == float(second.weight) == 1.0
    with pytest.raises(ValueError, match="`version` must be one of"):
        methods.minilm("a", "b", version=3)


def test_minilm_takes_other_heads_when_they_are_split_anew():
    with pytest.raises(ValueError, match="teacher has 2 heads.*student 1.*`heads=...`"):
        Distiller(*pair(heads=1), methods.minilm("attention_2", "attention_2"))
    Distiller(*pair(heads=1), METHODS["minilm 2"]())


def test_bert_pkd():
    (term,) = methods.bert_pkd(BLOCKS)
    assert (term.name, float(term.weight)) == ("patient", 100.0)
    assert (term.student, term.teacher) == (list(BLOCKS), list(BLOCKS.values()))
    Distiller(*pair(), [term])
    assert [adapter.units for adapter in term.adapter.adapters] == [16, 16]


def values_of(terms, teacher, student, ids):
    """What the terms say of a batch."""
    seen = [
        FeatureExtractor(
            model, [tap for term in terms for tap in flat_taps(taps(term))]
        )
        for model, taps in (
            (teacher, lambda term: term.teacher),
            (student, lambda term: term.student),
        )
    ]
    teacher, student = (extractor(ids) for extractor in seen)
    return [
        float(term(select(student, term.student), select(teacher, term.teacher)))
        for term in terms
    ]


@pytest.mark.parametrize("name", METHODS)
def test_what_stands_at_padding_does_not_matter(name):
    (ids, _), terms, models = sentences(), METHODS[name](), pair()
    Distiller(*models, terms)
    before = values_of(terms, *models, ids)
    for model in models:
        change_padding(model)
    np.testing.assert_allclose(values_of(terms, *models, ids), before, rtol=1e-4)


def test_without_the_mask_padding_would_matter():
    (ids, _), models = sentences(), pair(width=16)
    terms = [DistillationTerm(HiddenState(), "block_1", "block_2")]
    Distiller(*models, terms)
    before = values_of(terms, *models, ids)
    change_padding(models[1])
    assert not np.allclose(values_of(terms, *models, ids), before, rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_a_student_comes_closer_to_its_teacher(name):
    ids, y = sentences(64)
    distiller = Distiller(*pair(), METHODS[name](), hard_loss_weight=0.0)
    distiller.compile(keras.optimizers.Adam(1e-2), cross_entropy(), run_eagerly=True)
    history = distiller.fit(ids, y, epochs=4, batch_size=64, verbose=0).history
    for term in distiller.terms:
        assert np.all(np.isfinite(history[term.name]))
        assert history[term.name][-1] < history[term.name][0], term.name


def test_a_feature_keeps_its_numbers_and_takes_a_mask():
    tokens = keras.layers.Embedding(9, 2, mask_zero=True)(np.array([[3, 1, 0]]))
    states = np.ones((1, 3, 4), "float32")
    y = MaskFrom()([states, tokens])
    np.testing.assert_array_equal(y, states)
    np.testing.assert_array_equal(y._keras_mask, [[True, True, False]])
    with pytest.raises(TypeError, match="`adapter` must be a layer or None"):
        MaskFrom("dense")
