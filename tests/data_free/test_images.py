"""Generators, optimised images, their memory, and the picture of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.data_free import (
    ImageMemory,
    OptimisedImages,
    default_generator,
    image_grid,
)
from keras_kd.data_free.pictures import write_grid
from tests.data_free.parts import distiller, generator, optimised


def filled(*values):
    return np.stack([np.full((2, 2, 1), value, "float32") for value in values])


def test_a_memory_is_a_ring_of_the_latest():
    memory = ImageMemory(5, (2, 2, 1))
    memory.write(filled(1, 2, 3))
    assert int(memory.filled) == 3
    drawn = np.unique(memory.draw(200, (0, 1)))
    np.testing.assert_array_equal(drawn, [1, 2, 3])
    memory.write(filled(4, 5, 6, 7))
    np.testing.assert_array_equal(np.ravel(memory.images[:, 0, 0]), [6, 7, 3, 4, 5])
    np.testing.assert_array_equal(np.ravel(memory.latest(3)[:, 0, 0]), [5, 6, 7])
    assert len(memory.latest(99)) == 5
    assert len(np.unique(memory.draw(300, (0, 2)))) == 5


def test_a_memory_draws_the_same_from_the_same_seed():
    memory = ImageMemory(5, (2, 2, 1))
    memory.write(filled(1, 2, 3, 4, 5))
    first, again, other = (memory.draw(50, seed) for seed in ((0, 1), (0, 1), (0, 2)))
    np.testing.assert_array_equal(first, again)
    assert np.any(np.not_equal(first, other))


def test_optimised_images_stay_in_their_range_and_move_with_jitter():
    source = OptimisedImages(4, value_range=(-1.0, 3.0), jitter=1)
    source.prepare((6, 6, 1), 3)
    source.start((0, 0))
    source.raw.assign(10.0 * source.raw)
    drawn = [np.asarray(source.draw(4, (0, step))) for step in range(12)]
    assert drawn[0].min() >= -1.0 and drawn[0].max() <= 3.0
    still = -1.0 + 4.0 / (1.0 + np.exp(-np.asarray(source.raw, "float64")))
    moves = {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    found = set()
    for images in drawn:
        [move] = [
            m
            for m in moves
            if np.allclose(images, np.roll(still, m, (1, 2)), atol=1e-5)
        ]
        found.add(move)
    assert len(found) > 3


def test_a_round_begins_anew():
    model = distiller(optimised(), generator_steps=3)
    model.make_images()
    first, slots = weights_of(model), model.generator_optimizer.variables
    assert int(model.generator_optimizer.iterations) == 3
    model.make_images()
    assert int(model.generator_optimizer.iterations) == 3
    assert float(model.generator_optimizer.learning_rate) == np.float32(0.02)
    assert np.abs(weights_of(model) - first).max() > 0.5  # other noise
    assert len(slots) == 4


def weights_of(model):
    return np.asarray(model.generator.raw)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 30, 3), (5, 7, 2), (1, 1, 1)])
def test_the_default_generator_makes_any_shape(shape):
    model = default_generator(shape, units=3, width=4, value_range=(-2.0, 2.0))
    images = model(np.random.default_rng(0).normal(size=(6, 3)) * 9, training=True)
    assert tuple(images.shape) == (6, *shape)
    assert np.abs(images).max() <= 2.0


@pytest.mark.parametrize(
    "images, columns, shape",
    [
        (filled(1, 2, 3, 4, 5), None, (5, 8, 1)),
        (np.zeros((3, 2, 2, 3)), 3, (2, 8, 3)),
        (np.zeros((1, 2, 2, 4)), None, (2, 2, 1)),
    ],
    ids=["gray", "colour", "four"],
)
def test_a_grid(images, columns, shape):
    assert image_grid(images, columns).shape == shape


def test_a_grid_is_written_whole_and_not_over_another(tmp_path):
    ramp = np.linspace(-3, 5, 4, dtype="float32").reshape(1, 2, 2, 1)
    path = write_grid(tmp_path / "new" / "a.png", ramp, scale=2)
    pixels = tf.io.decode_png(path.read_bytes()).numpy()[..., 0]
    np.testing.assert_array_equal(pixels[::2, ::2], [[0, 85], [170, 255]])
    assert pixels.shape == (4, 4)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_grid(path, ramp)
    with pytest.raises(ValueError, match="must end in '.png'"):
        write_grid(tmp_path / "a.jpg", ramp)
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_images_can_be_looked_at(tmp_path):
    model = distiller()
    assert model.synthesise(3).shape == (3, 8, 8, 3)
    path = model.save_images(tmp_path / "seen.png", count=4, scale=1)
    assert tf.io.decode_png(path.read_bytes()).shape == (17, 17, 3)
    model = distiller(optimised(), memory=15)
    with pytest.raises(ValueError, match="no images yet"):
        model.synthesise(3)
    model.make_images()
    np.testing.assert_allclose(
        model.synthesise(10), model.generator.draw(10, (0, 0)), atol=1e-6
    )
    assert len(model.synthesise(99)) == 10
    model.make_images()
    assert len(model.synthesise(99)) == 15


def vectors_to(*shape):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(int(np.prod(shape))),
            keras.layers.Reshape(shape),
        ],
        name="odd",
    )


@pytest.mark.parametrize(
    "source, words",
    [
        (
            generator((8, 8, 1)),
            r"makes images \(8, 8, 1\), and the student takes \(8, 8",
        ),
        (generator((7, 8, 3)), r"makes images \(7, 8, 3\)"),
        (vectors_to(192), r"'odd' makes images \(192,\)"),
        (
            keras.Sequential(
                [keras.Input((8, 8, 3)), keras.layers.ReLU()], name="maps"
            ),
            r"random vectors \(batch, units\). Received: 'maps', which takes \(None, 8",
        ),
        (OptimisedImages(4, image_shape=(9, 8, 3)), r"be the student's, \(8, 8, 3\)"),
    ],
    ids=["channels", "height", "flat", "maps", "optimised"],
)
def test_images_that_do_not_fit_the_student(source, words):
    with pytest.raises(ValueError, match=words):
        distiller(source)


def test_what_makes_no_images():
    with pytest.raises(TypeError, match="from random vectors to images, or Optimised"):
        distiller("generator")
    with pytest.raises(ValueError, match="low below high"):
        OptimisedImages(4, value_range=(1, 0))
    with pytest.raises(ValueError, match="`jitter` must be 0 pixels or more"):
        OptimisedImages(4, jitter=-1)
    with pytest.raises(ValueError, match="`image_shape` must be"):
        default_generator((8, 8))
