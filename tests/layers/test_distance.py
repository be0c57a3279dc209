"""Learned matching and attention, computed once more by NumPy in float64."""

import numpy as np
import pytest

from keras_kd.layers import AttentionFusion, SemanticCalibration
from keras_kd.layers.as_map import as_map, map_shape

RNG = np.random.default_rng(3)
TEACHER = [RNG.normal(size=(3, 4, 4, 3)), RNG.normal(size=(3, 5, 2))]
STUDENT = [RNG.normal(size=(3, 2, 3, 2)), RNG.normal(size=(3, 4))]


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def dense(layer, x):
    kernel, *bias = (np.asarray(w, "float64") for w in layer.weights)
    return x @ kernel + (bias[0] if bias else 0.0)


def unit(pair, x):
    x = dense(pair[1], np.maximum(dense(pair[0], x), 0.0))
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def means(x):
    if x.ndim == 3 and x.shape[1] == 5:
        x = x[:, 1:]  # the class token
    return x.mean(axis=tuple(range(1, x.ndim - 1))) if x.ndim > 2 else x


def shared(x, batch_size):
    rows = (x[:, 1:] if x.ndim == 3 else x).reshape(len(x), -1)
    full = np.zeros((len(x), batch_size))
    full[:, : len(x)] = (rows @ rows.T)[:, :batch_size]
    return full


@pytest.mark.parametrize("scale", [1.0, 0.2])
@pytest.mark.parametrize("batch_size", [None, 3, 5, 2])
def test_the_matching_is_an_attention_over_the_teachers_layers(batch_size, scale):
    layer = SemanticCalibration(units=4, batch_size=batch_size, scale=scale)
    weights = np.asarray(layer(TEACHER, STUDENT)[1][-1])

    def described(x):
        return means(x) if batch_size is None else shared(x, batch_size)

    keys = [unit(p, described(x)) for p, x in zip(layer.keys, TEACHER, strict=True)]
    queries = [
        unit(p, described(x)) for p, x in zip(layer.queries, STUDENT, strict=True)
    ]
    energies = np.einsum("ibd,jbd->bij", queries, keys) / scale
    np.testing.assert_allclose(weights, softmax(energies), rtol=1e-4)
    assert np.ptp(weights) > 1e-3
    np.testing.assert_allclose(layer.matching(TEACHER, STUDENT), weights, rtol=1e-6)


def test_an_examples_matching_is_its_own_without_a_batch_size():
    alone = [[x[1:2] for x in side] for side in (TEACHER, STUDENT)]
    for batch_size, same in ((None, True), (3, False)):
        layer = SemanticCalibration(units=4, batch_size=batch_size)
        together = np.asarray(layer(TEACHER, STUDENT)[1][-1])[1:2]
        apart = np.asarray(layer(*alone)[1][-1])
        assert np.allclose(together, apart, atol=1e-6) == same


def test_pairs_meet_at_the_smaller_size_and_as_many_channels():
    targets, (*guesses, _) = SemanticCalibration()(TEACHER, STUDENT)
    shapes = [(3, 2, 3, 3), (3, 2, 2, 2), (3, 1, 1, 3), (3, 1, 1, 2)]
    assert [tuple(x.shape) for x in targets] == shapes
    assert [tuple(x.shape) for x in guesses] == shapes
    everywhere = TEACHER[0].mean((1, 2), keepdims=True)
    np.testing.assert_allclose(targets[2], everywhere, rtol=1e-5)
    tokens = TEACHER[1][:, 1:].reshape(3, 2, 2, 2)
    np.testing.assert_allclose(targets[1], tokens, rtol=1e-5)


def test_tokens_and_vectors_are_maps_too():
    assert map_shape((None, 10, 4)) == (None, 3, 3, 4)
    assert map_shape((2, 9, 4)) == (2, 3, 3, 4)
    assert map_shape((2, 7)) == (2, 1, 1, 7)
    for unknown in ((None, 7, 4), (None, None, 4), (None,), (1, 2, 2, 2, 2)):
        assert map_shape(unknown) is None
    x = RNG.normal(size=(2, 5, 3))
    np.testing.assert_array_equal(as_map(x), x[:, 1:].reshape(2, 2, 2, 3))


def test_each_position_looks_at_all_positions_of_all_features():
    layer = AttentionFusion(5, positions=(3,), levels=2, hidden=4, heads=2)
    fused = np.asarray(layer(STUDENT))
    seen = []
    for at, x in enumerate(STUDENT):
        x = dense(layer.projections[at], x.reshape(3, -1, x.shape[-1]))
        spread = np.sqrt(x.var(-1, keepdims=True) + 1e-3)
        x = (x - x.mean(-1, keepdims=True)) / spread
        seen.append(x + np.asarray(layer.embeddings[at], "float64"))
    keys = np.concatenate(seen, axis=1)
    kernels = [np.asarray(w, "float64") for w in layer.attention.weights]
    q, k, v = (
        np.einsum("...c,chd->...hd", x, w)
        for x, w in zip(
            (np.asarray(layer.asked, "float64"), keys, keys), kernels[:3], strict=True
        )
    )
    weights = softmax(np.einsum("phd,bnhd->bhpn", q, k) / np.sqrt(2.0))
    expected = np.einsum("bhpn,bnhd,hdu->bpu", weights, v, kernels[3])
    np.testing.assert_allclose(fused, expected, atol=1e-5)


def test_fusion_refuses_heads_that_do_not_divide():
    with pytest.raises(ValueError, match="`hidden` must be a multiple of `heads`"):
        AttentionFusion(5, (3,), hidden=6, heads=4)
