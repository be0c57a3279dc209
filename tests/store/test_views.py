"""A view belongs to its example and its number: in any batch, in any order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.store.views.augment import as_views
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.functions import EachBatch
from keras_kd.store.views.keras_layers import KerasLayers
from keras_kd.store.views.mixing import CutMix, MixUp
from keras_kd.workflow import Augmentation as OfTheWorkflow
from tests.store.views_of import pixels, views_of


def flipped(x, seed):
    return tf.image.stateless_random_flip_left_right(x, seed)


def brighter(x, seeds):
    return x + tf.cast(seeds[:, 0] % 7, "float32")[:, None, None, None]


ALL = {
    "none": lambda: None,
    "built in": lambda: Augmentation(
        flip=True, crop=2, brightness=0.2, contrast=0.2, saturation=0.2, rotate=9.0
    ),
    "mixup": lambda: MixUp(0.4, augment=Augmentation(flip=True, crop=2)),
    "cutmix": lambda: CutMix(1.0, augment=Augmentation(flip=True)),
    "function": lambda: flipped,
    "batched": lambda: EachBatch(brighter),
    "layers": lambda: keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.2, 0.2),
            keras.layers.Rescaling(2.0),
        ]
    ),
}
each_way = pytest.mark.parametrize("name", ALL)


@each_way
def test_a_view_is_the_same_in_any_batch_and_order(name):
    x, ids, views = pixels(), np.arange(12), as_views(ALL[name]())
    mixed = np.random.default_rng(1).permutation(12)
    whole, _ = views_of(x, views, ids, view=1)
    other, _ = views_of(x, views, mixed, view=1, batch_size=5)
    np.testing.assert_allclose(other, whole[mixed], rtol=0, atol=1e-6)


@each_way
def test_views_differ_by_example_view_and_seed(name):
    x = np.repeat(pixels(1), 24, axis=0)
    if name in ("mixup", "cutmix"):
        x = pixels(24)
    ids, views = np.tile(np.arange(24), 3), as_views(ALL[name]())
    made, _ = views_of(x, views, ids, view=np.repeat([0, 0, 1], 24), seed=3)
    first, again, later = np.split(made, 3)
    other, _ = views_of(x, views, ids[:24], seed=4)
    np.testing.assert_array_equal(first, again)
    if name == "none":
        np.testing.assert_array_equal(first, later)
        return
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, other)
    if name not in ("mixup", "cutmix"):
        assert len(np.unique(first.reshape(24, -1), axis=0)) > 1


def test_every_structure_of_inputs_is_augmented_by_its_images():
    x = {"image": pixels(4), "age": np.arange(4.0).astype("float32")}
    views, _ = views_of(x, Augmentation(crop=3), range(4))
    assert not np.array_equal(views["image"], x["image"])
    np.testing.assert_array_equal(views["age"], x["age"])
    with pytest.raises(ValueError, match=r"takes images .* shapes \[\(\)\]"):
        views_of(x["age"], Augmentation(crop=3), range(4))


def test_a_function_may_change_shape_and_dtype():
    x = (pixels() * 255).astype("uint8")

    def smaller(x, seed):
        x = tf.image.stateless_random_crop(x, (4, 6, 3), seed)
        return {"view": tf.cast(x, "float32") / 255}

    views, _ = views_of(x, smaller, range(12))
    assert views["view"].shape == (12, 4, 6, 3)
    assert views["view"].dtype == "float32"


def test_a_function_says_that_it_takes_batches():
    def function(x, seeds):
        assert x.shape.rank == 4 and seeds.shape.rank == 2
        return brighter(x, seeds)

    function.batched = True
    assert isinstance(as_views(function), EachBatch)
    first = views_of(pixels(), function, range(12))[0]
    np.testing.assert_array_equal(
        first, views_of(pixels(), EachBatch(brighter), range(12))[0]
    )


def stateful(x, seed):
    return x + tf.random.uniform(())


def numpy_once(x, seed):
    return x + np.random.default_rng().random()


def of_the_batch(x, seeds):
    return x - x[:1]


@pytest.mark.parametrize("function", [stateful, numpy_once, EachBatch(of_the_batch)])
def test_a_view_that_cannot_be_made_again_is_refused(function):
    with pytest.raises(ValueError, match="does not make the same view again"):
        views_of(pixels(), function, range(4))


def test_what_is_no_augmentation_is_refused():
    with pytest.raises(TypeError, match="must be None, an Augmentation"):
        as_views("flip")
    with pytest.raises(TypeError, match="a function of two arguments"):
        as_views(lambda x: x)
    with pytest.raises(TypeError, match="EachBatch takes a function"):
        EachBatch(3)


def test_the_moves_of_a_workflows_augmentation_are_taken_over():
    theirs = OfTheWorkflow(shift=0.2, rotate=5.0, flip=True)
    ours = as_views(theirs)
    assert ours == Augmentation(shift=0.2, rotate=5.0, flip=True)


def test_identities_tell_augmentations_apart_and_not_by_names():
    names = [as_views(make()).identity() for make in ALL.values()]
    assert len({str(name) for name in names}) == len(ALL)
    again = [as_views(make()).identity() for make in ALL.values()]
    assert names == again
    one, two = keras.layers.RandomFlip(seed=1), keras.layers.RandomFlip("vertical")
    assert as_views(one).identity() != as_views(two).identity()


def test_keras_layers_are_left_as_they_are():
    layer = keras.layers.RandomFlip("horizontal", seed=1)
    before = layer.generator.state.numpy()
    own = keras.random.SeedGenerator.next
    views, _ = views_of(pixels(), layer, range(12))
    assert keras.random.SeedGenerator.next is own
    np.testing.assert_array_equal(layer.generator.state.numpy(), before)
    halves = np.abs(views - pixels()).reshape(12, -1).max(1) > 0
    assert 1 <= halves.sum() <= 11


def test_a_sequential_is_known_alike_before_and_after_it_was_built():
    layers = ALL["layers"]()
    before = as_views(layers).identity()
    views_of(pixels(), layers, range(2))
    assert as_views(layers).identity() == before


@pytest.mark.parametrize(
    "name", ["RandomErasing", "RandomRotation", "RandomBrightness"]
)
def test_layers_of_every_kind_follow_the_example(name):
    given = {} if name == "RandomErasing" else {"factor": 0.2}
    layer = getattr(keras.layers, name)(**given)
    first, _ = views_of(pixels(6), layer, range(6))
    other, _ = views_of(pixels(6), layer, [4, 1], view=0)
    np.testing.assert_allclose(other, first[[4, 1]], atol=1e-6)


def test_the_global_seed_generator_is_bent_as_well():
    class Noise(keras.Layer):
        def call(self, x):
            return x + keras.random.uniform(keras.ops.shape(x))

    first, _ = views_of(pixels(), Noise(), range(12))
    other, _ = views_of(pixels(), Noise(), [7, 2])
    np.testing.assert_allclose(other, first[[7, 2]], atol=1e-6)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_layers_that_mix_within_a_batch_are_refused(name):
    layer = getattr(keras.layers, name)()
    with pytest.raises(ValueError, match=rf"Use keras_kd.store.{name}\("):
        KerasLayers(keras.Sequential([layer]))
