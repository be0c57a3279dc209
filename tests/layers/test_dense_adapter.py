"""DenseAdapter: a linear map of the last axis."""

import keras
import numpy as np
import pytest

from keras_kd.layers import DenseAdapter

RNG = np.random.default_rng(0)
TOKENS = RNG.normal(size=(2, 4, 3)).astype("float32")


def test_it_is_a_product_with_its_kernel():
    adapter = DenseAdapter(5)
    y = adapter(TOKENS)
    (kernel,) = adapter.get_weights()
    np.testing.assert_allclose(y, TOKENS @ kernel, rtol=1e-5, atol=1e-6)


def test_bias_normalization_and_activation_in_this_order():
    adapter = DenseAdapter(5, use_bias=True, normalize=True, activation="relu")
    adapter.build(TOKENS.shape)
    weights = [RNG.normal(size=w.shape) for w in adapter.weights]
    adapter.set_weights(weights)
    kernel, bias, gamma, beta = weights
    x = TOKENS @ kernel + bias
    centred = x - x.mean(axis=-1, keepdims=True)
    x = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3) * gamma + beta
    np.testing.assert_allclose(adapter(TOKENS), np.maximum(x, 0.0), atol=1e-4)


def test_a_padding_mask_is_passed_on():
    tokens = keras.Input((4,))
    embedded = keras.layers.Embedding(9, 3, mask_zero=True)(tokens)
    model = keras.Model(tokens, DenseAdapter(5)(embedded))
    y = model(np.array([[1, 2, 0, 0]]))
    np.testing.assert_array_equal(y._keras_mask, [[True, True, False, False]])


@pytest.mark.parametrize("units", [0, -3, 2.5, "8", None, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        DenseAdapter(units)
