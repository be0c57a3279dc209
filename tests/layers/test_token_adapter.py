"""TokenAdapter: the order of the grid, the class token, both directions."""

import keras
import numpy as np
import pytest

from keras_kd.layers import TokenAdapter
from keras_kd.layers.token_adapter import square_grid

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 2, 3, 4)).astype("float32")
TOKENS = RNG.normal(size=(2, 9, 4)).astype("float32")


def projecting_nothing(to, x, **arguments):
    """An adapter whose projection is the identity."""
    adapter = TokenAdapter(x.shape[-1], to, **arguments)
    adapter.build(x.shape)
    adapter.dense.set_weights([np.eye(x.shape[-1]), np.zeros(x.shape[-1])])
    return adapter


def test_a_map_is_read_row_by_row():
    tokens = projecting_nothing("tokens", MAPS)(MAPS)
    rows = [MAPS[:, row, column] for row in range(2) for column in range(3)]
    np.testing.assert_array_equal(tokens, np.stack(rows, axis=1))


def test_tokens_are_laid_row_by_row():
    maps = projecting_nothing("map", TOKENS)(TOKENS).numpy()
    for index in range(9):
        np.testing.assert_array_equal(maps[:, index // 3, index % 3], TOKENS[:, index])


def test_there_and_back_is_the_identity():
    maps = RNG.normal(size=(2, 3, 3, 4)).astype("float32")
    tokens = projecting_nothing("tokens", maps)(maps)
    np.testing.assert_array_equal(projecting_nothing("map", tokens)(tokens), maps)


def test_a_made_class_token_is_the_mean_and_stands_first():
    tokens = projecting_nothing("tokens", MAPS, class_token=True)(MAPS).numpy()
    np.testing.assert_allclose(tokens[:, 0], MAPS.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_array_equal(
        tokens[:, 1:], projecting_nothing("tokens", MAPS)(MAPS)
    )


def test_a_given_class_token_is_left_out():
    with_class = np.concatenate([np.full((2, 1, 4), 99.0), TOKENS], axis=1)
    with_class = with_class.astype("float32")
    maps = projecting_nothing("map", with_class, class_token=True)(with_class)
    np.testing.assert_array_equal(maps, projecting_nothing("map", TOKENS)(TOKENS))


def test_a_map_is_pooled_to_the_grid_before_it_is_read():
    maps = RNG.normal(size=(2, 4, 6, 4)).astype("float32")
    tokens = projecting_nothing("tokens", maps, size=(2, 3))(maps)
    pooled = maps.reshape(2, 2, 2, 3, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(tokens, pooled.reshape(2, 6, 4), atol=1e-6)


@pytest.mark.parametrize("size", [(6, 6), (1, 3), (5, 2)])
def test_a_grid_is_resized_to_the_map(size):
    assert projecting_nothing("map", TOKENS, size=size)(TOKENS).shape == (2, *size, 4)


def test_the_projection_is_a_dense_layer():
    adapter = TokenAdapter(7, "tokens")
    tokens = adapter(MAPS)
    kernel, bias = adapter.get_weights()
    expected = MAPS.reshape(2, 6, 4) @ kernel + bias
    np.testing.assert_allclose(tokens, expected, rtol=1e-5, atol=1e-6)


def test_a_grid_has_no_padding():
    inputs = keras.Input((9,))
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, TokenAdapter(5, "map")(embedded))
    maps = model(np.array([[1, 2, 3, 4, 5, 0, 0, 0, 0]]))
    assert getattr(maps, "_keras_mask", None) is None


@pytest.mark.parametrize(
    "tokens, grid",
    [(1, (1, 1)), (196, (14, 14)), (197, None), (2, None), (0, None), (-1, None)],
)
def test_square_grid(tokens, grid):
    assert square_grid(tokens) == grid


@pytest.mark.parametrize("tokens, class_token", [(10, False), (9, True), (8, False)])
def test_tokens_that_are_no_square_are_refused(tokens, class_token):
    message = f"{tokens} tokens with class_token={class_token} are no square grid"
    with pytest.raises(ValueError, match=message):
        TokenAdapter(4, "map", class_token=class_token).build((None, tokens, 8))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, "map"), "`units` must be a positive integer"),
        ((4, "maps"), "`to` must be one of .* Did you mean 'map'"),
        ((4, "map", "ab"), "`size` must be an integer or a pair"),
        ((4, "map", (2, -1)), "`size` must be a positive integer"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TokenAdapter(*arguments)
