"""Flips, crops, moves and colours, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd.store.views import colour, geometry
from keras_kd.store.views.augmentation import DRAWS, Augmentation
from tests.store.views_of import pixels, views_of


def padded(image, most, fill):
    modes = {"constant": "constant", "nearest": "edge", "reflect": "symmetric"}
    return np.pad(image, [(most, most)] * 2 + [(0, 0)], mode=modes[fill])


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
@pytest.mark.parametrize("fill", geometry.FILLS)
def test_crops_and_flips_against_a_loop(fill, dtype):
    x = (pixels(9) * 255).astype(dtype)
    rng = np.random.default_rng(0)
    down, right = rng.integers(-3, 4, (2, 9)).astype("int32")
    mirror = rng.random(9) < 0.5
    made = geometry.shifted(tf.constant(x), down, right, mirror, 3, fill)
    for i in range(9):
        source = x[i, :, ::-1] if mirror[i] else x[i]
        # A mirrored image moves the other way: its window is mirrored, not its place.
        step = -right[i] if mirror[i] else right[i]
        window = padded(source, 3, fill)
        expected = window[3 + down[i] :][:8, 3 + step :][:, :8]
        np.testing.assert_array_equal(made[i], expected)


def test_the_draws_reach_every_window_and_none_beyond():
    augment = Augmentation(crop=1)
    drawn = augment.draw(np.arange(20_000), np.zeros(20_000, int), 0)
    assert drawn.shape == (20_000, len(DRAWS)) and drawn.dtype == np.float32
    assert 0 <= drawn.min() and drawn.max() < 1
    places = np.floor(drawn[:, 1:3] * 3).astype(int)
    counts = np.bincount(places[:, 0] * 3 + places[:, 1], minlength=9)
    assert len(counts) == 9 and abs(counts / 20_000 - 1 / 9).max() < 0.01
    assert abs((drawn[:, 0] < 0.5).mean() - 0.5) < 0.02


def test_a_draw_that_rounds_to_one_stays_in_the_last_window():
    top = np.float32(1 - 2.0**-24)
    assert int(np.floor(top * np.float32(2 * 4 + 1))) <= 9
    x = tf.constant(pixels(1))
    drawn = tf.fill((1, len(DRAWS)), top)
    view, _ = Augmentation(flip=True, crop=4)(x, None, drawn, None)
    expected = padded(pixels(1)[0], 4, "constant")[8:16, 8:16]
    np.testing.assert_array_equal(view[0], expected)


def test_colours_against_formulas():
    x = pixels(4)
    factor = np.array([0.5, 1.0, 1.2, 1.7], "float32")
    f = factor[:, None, None, None]
    grey = (x * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)
    mean = grey.mean((1, 2, 3), keepdims=True)
    images = tf.constant(x)
    for made, expected in (
        (colour.brightened(images, factor), f * x),
        (colour.contrasted(images, factor), mean + f * (x - mean)),
        (colour.saturated(images, factor), grey + f * (x - grey)),
    ):
        np.testing.assert_allclose(made, expected, atol=1e-6)
    single = tf.constant(x[..., :1])
    np.testing.assert_array_equal(colour.saturated(single, factor), single)


def test_moves_are_about_the_centre():
    x = np.zeros((1, 9, 9, 1), "float32")
    x[0, 4, 6] = 1
    none, one = np.zeros((1, 2), "float32"), np.ones(1, "float32")
    turned = geometry.transformed(tf.constant(x), none, one * 90, one, "constant")
    assert np.argwhere(turned.numpy() > 0.5)[0].tolist() in ([0, 2, 4, 0], [0, 6, 4, 0])
    grown = geometry.transformed(tf.constant(x), none, one * 0, one * 2, "constant")
    assert np.argwhere(grown.numpy() > 0.9).tolist() == [[0, 4, 8, 0]]
    down = np.array([[1 / 9, 0]], "float32")
    moved = geometry.transformed(tf.constant(x), down, one * 0, one, "constant")
    assert np.argwhere(moved.numpy() > 0.9).tolist() == [[0, 3, 6, 0]]


def test_whole_numbers_stay_whole_and_within_their_range():
    x = (pixels() * 255).astype("uint8")
    views, _ = views_of(x, Augmentation(brightness=0.9, rotate=20.0), range(12))
    assert views.dtype == np.uint8 and views.max() == 255
    limited = Augmentation(brightness=0.9, limits=(0.2, 0.7))
    views, _ = views_of(pixels(), limited, range(12))
    assert views.min() == pytest.approx(0.2) and views.max() == pytest.approx(0.7)


def test_what_is_not_asked_for_changes_nothing():
    views, _ = views_of(pixels(), Augmentation(), range(12))
    np.testing.assert_array_equal(views, pixels())


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"crop": 1.5}, "`crop` must be a whole number"),
        ({"crop": -1}, "`crop` must be non-negative"),
        ({"brightness": 1}, "`brightness` must be below 1"),
        ({"saturation": -0.1}, "`saturation` must be from 0 to 1"),
        ({"rotate": -1}, "`rotate` must be non-negative"),
        ({"fill": "wrap"}, "`fill` must be one of"),
        ({"limits": (1, 0)}, r"`limits` must be a pair \(lowest, highest\)"),
    ],
)
def test_values_out_of_range_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Augmentation(**given)
