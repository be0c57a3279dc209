"""Masks, heads and widths in the losses over sequences."""

import numpy as np
import pytest

from keras_kd import losses
from keras_kd.losses import (
    attention_matrix,
    hidden_state,
    hint,
    patient,
    query_key_relation,
    value_relation,
)

RNG = np.random.default_rng(0)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
STATES = RNG.normal(size=(2, 3, 4, 6))
SCORES = RNG.normal(size=(2, 3, 2, 4, 4))
HEADS = RNG.normal(size=(2, 3, 4, 2, 3))
TURN = np.linalg.qr(RNG.normal(size=(3, 3)))[0]


def test_hidden_states_are_hints_without_padding():
    teacher, student = STATES
    np.testing.assert_allclose(
        hidden_state(teacher, student, MASK), hint(teacher, student, mask=MASK)
    )
    expected = np.square(teacher[1, :2] - student[1, :2]).sum() / (2 * 6)
    np.testing.assert_allclose(hidden_state(teacher, student, MASK)[1], expected)


def test_padded_queries_and_keys_are_left_out_of_attention():
    teacher, student = SCORES
    expected = np.square(teacher - student)[1, :, :2, :2].mean()
    np.testing.assert_allclose(attention_matrix(teacher, student, MASK)[1], expected)
    pairs = MASK[:, :, None] & MASK[:, None, :]
    for mask in (pairs, np.repeat(pairs[:, None], 2, axis=1)):
        np.testing.assert_allclose(
            attention_matrix(teacher, student, mask),
            attention_matrix(teacher, student, MASK),
        )


def test_scores_that_a_mask_made_count_as_zero_and_a_wrong_student_does_not():
    teacher, student = SCORES.copy()
    bare = attention_matrix(teacher, student)
    teacher[..., 3] = -10000.0
    student[..., 3] = -1e9
    values = attention_matrix(teacher, student)
    np.testing.assert_allclose(
        values, 0.75 * attention_matrix(teacher[..., :3], student[..., :3])
    )
    assert np.all(values < bare + 1.0)
    alone = SCORES[1].copy()
    alone[0, 0, 0, 0] = -200.0
    assert attention_matrix(SCORES[0], alone)[0] > 1000.0


def test_other_heads_are_refused_with_what_takes_them():
    with pytest.raises(ValueError, match="head by head.*ValueRelation"):
        attention_matrix(np.zeros((1, 3, 4, 4)), np.zeros((1, 2, 4, 4)))
    with pytest.raises(ValueError, match=r"takes scores \(batch, heads"):
        attention_matrix(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)))
    with pytest.raises(ValueError, match="AttentionMatrix compares head by head"):
        losses.AttentionMatrix().check_shapes((None, 3, 4, 4), (None, 2, 4, 4))


def test_a_mask_of_tokens_is_for_self_attention():
    wide = np.zeros((2, 1, 2, 3))
    with pytest.raises(ValueError, match=r"mask \(2, 2\), positions \(2, 3\)"):
        attention_matrix(wide, wide, np.ones((2, 2)))


def test_relations_are_blind_to_a_turn_of_each_head():
    teacher, student = HEADS
    np.testing.assert_allclose(
        value_relation(teacher, student @ TURN, mask=MASK),
        value_relation(teacher, student, mask=MASK),
    )
    np.testing.assert_allclose(value_relation(teacher, teacher @ TURN), 0.0, atol=1e-12)
    assert np.all(np.asarray(value_relation(teacher, 2.0 * teacher)) > 1e-3)


def test_each_side_divides_by_the_root_of_its_own_width():
    """Twice the features at equal values: twice the products, over √2 the scale."""
    teacher = HEADS[0]
    wide = np.concatenate([teacher, teacher], axis=-1) / 2.0**0.25
    np.testing.assert_allclose(value_relation(teacher, wide), 0.0, atol=1e-12)


def test_heads_are_split_anew():
    teacher, student = HEADS
    flat = [x.reshape(3, 4, 6) for x in (teacher, student)]
    np.testing.assert_allclose(
        value_relation(*flat, heads=2), value_relation(teacher, student)
    )
    np.testing.assert_allclose(
        value_relation(teacher, student, heads=1), value_relation(*flat)
    )


@pytest.mark.parametrize(
    ("student", "heads", "sentence"),
    [
        (np.zeros((3, 4, 3, 2)), None, "has 2 heads.*student 3.*Pass `heads=...`"),
        (HEADS[1], 4, "`heads` must divide both widths.*heads=4, a width of 6"),
        (np.zeros((3, 5, 2, 3)), None, "of one batch and time"),
        (np.zeros((3, 4)), None, "of one batch and time"),
    ],
)
def test_relations_that_cannot_be_compared_are_refused(student, heads, sentence):
    with pytest.raises(ValueError, match=sentence):
        value_relation(HEADS[0], student, heads)


def test_relations_of_queries_and_keys():
    (queries, keys), other = HEADS, HEADS[::-1]
    self_relations = query_key_relation([queries, keys], list(other), mask=MASK)
    expected = sum(
        np.asarray(value_relation(t, s, mask=MASK))
        for t, s in ((queries, keys), (keys, queries))
    )
    np.testing.assert_allclose(self_relations, expected)
    np.testing.assert_allclose(
        query_key_relation(queries, keys), value_relation(queries, keys)
    )
    attention = query_key_relation([queries, keys], list(other), "attention")
    scores = [np.einsum("bqhd,bkhd->bhqk", *x) / 3**0.5 for x in (HEADS, other)]
    p, q = (np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) for x in scores)
    expected = (p * np.log(p / q)).sum(axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(attention, expected)


def test_attention_relations_need_queries_and_keys():
    with pytest.raises(ValueError, match=r"takes \[queries, keys\] on both sides"):
        query_key_relation(HEADS[0], HEADS[1], "attention")
    with pytest.raises(ValueError, match="`relation` must be one of"):
        losses.QueryKeyRelation("selves")


def test_patient_looks_at_the_direction_of_the_first_token():
    teacher, student = STATES
    expected = patient(teacher[:, 0], student[:, 0])
    np.testing.assert_allclose(patient(teacher, student), expected)
    np.testing.assert_allclose(patient(teacher, 7.0 * student), expected)
    cosines = np.sum(
        teacher[:, 0]
        * student[:, 0]
        / np.linalg.norm(teacher[:, 0], axis=1, keepdims=True)
        / np.linalg.norm(student[:, 0], axis=1, keepdims=True),
        axis=1,
    )
    np.testing.assert_allclose(expected, (2.0 - 2.0 * cosines) / 6.0)
    with pytest.raises(ValueError, match=r"takes \(batch, width\) or"):
        patient(np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 4, 5)))
