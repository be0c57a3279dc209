"""Contrast: what it rewards, and where it has nothing to say."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd.layers import MemoryBank
from keras_kd.losses import (
    ContrastiveRepresentation,
    InfoNCE,
    contrastive_representation,
    info_nce,
)


def embeddings(size=6, units=8, seed=0):
    return np.random.default_rng(seed).normal(size=(size, units)).astype("float32")


def test_the_own_image_is_what_is_found():
    x = embeddings()
    own = info_nce(x, x)
    assert np.all(np.asarray(own) < np.asarray(info_nce(x[::-1], x)))
    np.testing.assert_allclose(info_nce(x, 3.0 * x), own, rtol=1e-4)


def test_a_batch_of_one_has_nothing_to_choose_from():
    np.testing.assert_array_equal(info_nce(embeddings(1), embeddings(1, seed=1)), [0])


def test_a_batch_of_equal_images_is_a_draw():
    x = np.ones((4, 3), "float32")
    np.testing.assert_allclose(info_nce(x, 2.0 * x), np.log(4.0), rtol=1e-6)


def test_maps_are_no_embeddings():
    maps = np.zeros((2, 3, 3, 4), "float32")
    for find in (info_nce, InfoNCE()):
        with pytest.raises(ValueError, match="ProjectionHead") as refusal:
            find(maps, maps)
        assert "(2, 3, 3, 4)" in str(refusal.value)
    with pytest.raises(ValueError, match="ProjectionHead"):
        InfoNCE().check_shapes((None, 3, 3, 4), (None, 3, 3, 4))


@pytest.mark.parametrize("loss", [InfoNCE(), ContrastiveRepresentation(20)])
def test_both_heads_learn(loss):
    sides = tf.constant(embeddings()), tf.constant(embeddings(seed=1))
    with tf.GradientTape() as tape:
        tape.watch(sides)
        value = loss(*sides)
    for gradient in tape.gradient(value, sides):
        assert np.abs(gradient).sum() > 1e-3


def test_without_negatives_there_is_nothing_to_learn():
    scores = np.full((3, 5), -np.inf, "float32")
    scores[:, 0] = [0.0, -5.0, 2.0]
    value = contrastive_representation(scores, scores, samples=10)
    np.testing.assert_allclose(value, 0.0, atol=1e-4)


def test_negatives_that_do_not_count_are_as_if_they_were_not_there():
    scores = embeddings(3, 5)
    more = np.concatenate([scores, np.full((3, 4), -np.inf, "float32")], axis=1)
    np.testing.assert_allclose(
        contrastive_representation(more, more, 30),
        contrastive_representation(scores, scores, 30),
        rtol=1e-6,
    )


def test_a_memory_tells_pairs_from_strangers():
    """The loss of matching embeddings is far below that of shuffled ones."""
    x = embeddings(16)
    memory, loss = MemoryBank(16, negatives=None), ContrastiveRepresentation(16)
    known = {"labels": np.arange(16), "index": np.arange(16)}
    for _ in range(3):
        right = loss(*memory(x, x, **known, training=True))
    wrong = loss(*memory(x, x[::-1], **known))
    assert float(right) < 0.5 * float(wrong)
