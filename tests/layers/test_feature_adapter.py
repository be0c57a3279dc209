"""FeatureAdapter step by step, and the resize of maps."""

import keras
import numpy as np
import pytest

from keras_kd.layers import FeatureAdapter
from keras_kd.layers.feature_adapter import RESIZES, grows, resize_map

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 4, 6, 3)).astype("float32")


def block_means(x, height, width):
    """The mean of each block, for sizes that divide."""
    batch, h, w, channels = x.shape
    blocks = x.reshape(batch, height, h // height, width, w // width, channels)
    return blocks.mean(axis=(2, 4))


def adaptive_means(x, height, width):
    """Each output cell is the mean from floor(i·h/H) to ceil((i+1)·h/H)."""

    def cells(old, new):
        return [(i * old // new, -(-(i + 1) * old // new)) for i in range(new)]

    rows, columns = cells(x.shape[1], height), cells(x.shape[2], width)
    means = [
        [x[:, top:bottom, left:right].mean(axis=(1, 2)) for left, right in columns]
        for top, bottom in rows
    ]
    return np.array(means).transpose(2, 0, 1, 3)


def test_convolution_then_activation():
    adapter = FeatureAdapter(5, normalize=False, activation="relu")
    y = adapter(MAPS)
    kernel, bias = adapter.conv.get_weights()
    bias = bias + 0.5
    adapter.conv.set_weights([kernel, bias])
    expected = np.maximum(MAPS @ kernel[0, 0] + bias, 0.0)
    np.testing.assert_allclose(adapter(MAPS), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(y, adapter(MAPS))


def test_normalization_comes_before_the_activation():
    adapter = FeatureAdapter(5, activation="relu")
    y = adapter(MAPS, training=True).numpy()
    assert y.min() == 0.0
    z = FeatureAdapter(5, activation=None)
    z.build(MAPS.shape)
    z.set_weights(adapter.get_weights())
    z = z(MAPS, training=True).numpy()
    np.testing.assert_allclose(z.mean(axis=(0, 1, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=(0, 1, 2)), 1.0, atol=1e-2)
    np.testing.assert_allclose(y, np.maximum(z, 0.0), atol=1e-6)


def test_training_uses_the_batch_and_inference_the_moving_statistics():
    adapter = FeatureAdapter(5, activation=None)
    before = adapter(MAPS).numpy()
    assert not np.allclose(adapter(MAPS, training=True), before)
    after = adapter(MAPS).numpy()
    assert not np.allclose(after, before)
    np.testing.assert_array_equal(adapter(MAPS, training=False), after)


def test_the_resize_comes_last():
    whole, small = FeatureAdapter(5), FeatureAdapter(5, size=(2, 3))
    whole.build(MAPS.shape)
    small.build(MAPS.shape)
    small.set_weights(whole.get_weights())
    expected = block_means(whole(MAPS).numpy(), 2, 3)
    np.testing.assert_allclose(small(MAPS), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(2, 3), (4, 3), (1, 1), (2, 6)])
@pytest.mark.parametrize("resize", ["auto", "pool"])
def test_pooling_at_integer_ratios_is_a_mean_of_blocks(size, resize):
    pooled = resize_map(keras.ops.convert_to_tensor(MAPS), size, resize)
    np.testing.assert_allclose(pooled, block_means(MAPS, *size), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(3, 4), (3, 3), (2, 5)])
def test_pooling_at_other_ratios_is_adaptive(size):
    pooled = resize_map(keras.ops.convert_to_tensor(MAPS), size)
    expected = adaptive_means(MAPS, *size)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "size, chosen", [((8, 12), "bilinear"), ((2, 12), "bilinear"), ((2, 3), "pool")]
)
def test_auto_pools_only_where_no_side_grows(size, chosen):
    x = keras.ops.convert_to_tensor(MAPS)
    y = resize_map(x, size)
    assert y.shape == (2, *size, 3)
    np.testing.assert_array_equal(y, resize_map(x, size, chosen))


@pytest.mark.parametrize("resize", RESIZES)
def test_a_flat_map_stays_flat(resize):
    size = (2, 2) if resize == "pool" else (3, 9)
    flat = keras.ops.full((1, 4, 6, 2), 7.0)
    resized = resize_map(flat, size, resize)
    np.testing.assert_allclose(resized, np.full((1, *size, 2), 7.0), rtol=1e-6)


def test_nearest_invents_no_value():
    resized = resize_map(keras.ops.convert_to_tensor(MAPS), (8, 12), "nearest")
    np.testing.assert_array_equal(resized, MAPS.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("size", [None, (4, 6)])
def test_a_map_of_the_right_size_is_left_alone(size):
    x = keras.ops.convert_to_tensor(MAPS)
    assert resize_map(x, size) is x


@pytest.mark.parametrize(
    "old, new, answer",
    [
        ((4, 4), (4, 4), False),
        ((4, 4), (2, 5), True),
        ((None, 4), (9, 4), False),
        ((None, 4), (9, 5), True),
    ],
)
def test_grows(old, new, answer):
    assert grows(old, new) is answer


def test_an_unknown_map_is_resized_to_the_size():
    adapter = FeatureAdapter(5, size=(2, 2))
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, adapter(inputs))
    for height, width in ((4, 6), (3, 1)):
        assert model(np.ones((1, height, width, 3))).shape == (1, 2, 2, 5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "`filters` must be a positive integer. Received: filters=0"),
        ({"filters": 2.5}, "`filters` must be a positive integer"),
        ({"filters": 4, "size": (2, 3, 4)}, r"`size` must be .* pair \(height, width"),
        ({"filters": 4, "size": (0, 2)}, "`size` must be a positive integer"),
        ({"filters": 4, "resize": "polo"}, "Did you mean 'pool'"),
        ({"filters": 4, "activation": "rellu"}, "rellu"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureAdapter(**arguments)


@pytest.mark.parametrize("size", [(5, 6), (4, 7)])
def test_pooling_cannot_enlarge(size):
    with pytest.raises(ValueError, match=r"cannot enlarge \(4, 6\) to .*'bilinear'"):
        FeatureAdapter(3, size=size, resize="pool")(MAPS)
