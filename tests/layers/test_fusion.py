"""Layers of VID, ReviewKD, MGD and of contrastive heads: what their papers say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.layers import (
    MaskedGenerator,
    ProjectionHead,
    ReviewFusion,
    VariationalAdapter,
)
from keras_kd.losses import VariationalInformation


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("variance", [5.0, 0.3])
def test_the_variance_begins_where_it_is_told(variance):
    adapter = VariationalAdapter(3, initial_variance=variance)
    _, scale = adapter(normal(2, 4))
    found = np.log1p(np.exp(scale)) + 1e-5
    np.testing.assert_allclose(found, variance, rtol=1e-5)


def test_the_scale_is_trained():
    """A defect of a widely used copy: kept in a list, it never moved."""
    adapter, target = VariationalAdapter(3), normal(8, 3, seed=1)
    target[:, 1] *= 10.0
    adapter.build((None, 4))
    assert any(w is adapter.scale for w in adapter.trainable_variables)
    optimizer = keras.optimizers.Adam(0.3)
    for _ in range(40):
        with tf.GradientTape() as tape:
            loss = VariationalInformation()(target, adapter(normal(8, 4)))
        gradients = tape.gradient(loss, adapter.trainable_variables)
        optimizer.apply(gradients, adapter.trainable_variables)
    scale = np.asarray(adapter.scale)
    assert scale[1] > scale[0] and scale[1] > scale[2]


def test_the_network_has_three_convolutions():
    adapter = VariationalAdapter(3, hidden=6)
    adapter.build((None, 4, 4, 2))
    kernels = [w.shape for w in adapter.weights if w.path.endswith("kernel")]
    assert kernels == [(2, 6), (6, 6), (6, 3)]
    assert len(adapter.weights) == 3 + 2 * 4 + 1
    adapter = VariationalAdapter(3, normalize=False)
    adapter.build((None, 2))
    assert len(adapter.weights) == 3 + 1


def test_deep_maps_reach_shallow_ones_and_not_the_reverse():
    fusion = ReviewFusion([3, 4], hidden=4)
    shallow, deep = normal(2, 4, 4, 2), normal(2, 2, 2, 3)
    before = fusion([shallow, deep])
    other_deep = fusion([shallow, deep + 1.0])
    other_shallow = fusion([shallow + 1.0, deep])
    assert not np.allclose(before[0], other_deep[0])
    np.testing.assert_array_equal(before[1], other_shallow[1])


def test_sizes_and_filters_go_together():
    with pytest.raises(ValueError, match="as many entries"):
        ReviewFusion([3, 4], sizes=[(2, 2)])


@pytest.mark.parametrize("keep", [0.35, 1.0])
def test_a_mask_keeps_its_share_of_positions(keep):
    generator = MaskedGenerator(5, keep=keep, seed=0)
    generator.build((None, 40, 40, 3))
    seen = []
    call = generator.first.call
    generator.first.call = lambda x: seen.append(np.asarray(x)) or call(x)
    generator(normal(2, 40, 40, 3), training=True)
    generator(normal(2, 40, 40, 3))
    hidden = seen[0] == 0.0
    # All the channels of a position are hidden together, and not those of inference.
    np.testing.assert_array_equal(hidden.any(-1), hidden.all(-1))
    assert np.mean(~hidden) == pytest.approx(keep, abs=0.03)
    assert not np.any(seen[1] == 0.0)


def test_a_seed_repeats_the_masks():
    x = normal(2, 8, 8, 3)
    one, other = (MaskedGenerator(5, seed=4) for _ in range(2))
    one.build(x.shape), other.build(x.shape)
    other.set_weights(one.get_weights())
    np.testing.assert_array_equal(one(x, training=True), other(x, training=True))
    assert not np.allclose(one(x, training=True), other(x))


def test_keep_is_a_share():
    with pytest.raises(ValueError, match="`keep` must be at most 1"):
        MaskedGenerator(5, keep=1.5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_embeddings_have_unit_length(dtype):
    head = ProjectionHead(6, dtype=dtype)
    y = np.asarray(head(1e3 * normal(4, 3)), "float32")
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1.0, atol=2e-3)


def test_an_embedding_of_nothing_has_a_finite_gradient():
    head, x = ProjectionHead(6), tf.zeros((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(head(x))
    assert np.all(np.asarray(tape.gradient(y, x)) == 0.0)


def test_a_map_is_averaged_before_it_is_projected():
    head, x = ProjectionHead(6, hidden=5), normal(2, 4, 4, 3)
    np.testing.assert_allclose(head(x), head(x.mean((1, 2))), rtol=1e-5, atol=1e-6)
