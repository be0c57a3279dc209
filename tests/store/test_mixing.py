"""MixUp and CutMix against a loop, with partners and labels."""

import keras
import numpy as np
import pytest

from keras_kd.store.data.examples import ItemExamples
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.mixing import CutMix, MixUp
from tests.store.views_of import pixels, views_of

SEED, COUNT = 3, 12


def drawn_by(mix, view=0):
    ids, views = np.arange(COUNT), np.full(COUNT, view)
    partners = mix.partners(ids, views, SEED, COUNT)
    return partners, mix.draw(ids, views, SEED)


def test_mixup_against_a_loop_with_both_sides_augmented():
    augment = Augmentation(flip=True, crop=2)
    mix = MixUp(0.8, num_classes=COUNT, augment=augment)
    x, y = pixels(COUNT), np.arange(COUNT)
    views, labels = views_of((x, y), mix, range(COUNT), seed=SEED)
    alone, _ = views_of(x, augment, range(COUNT), seed=SEED)
    partners, drawn = drawn_by(mix)
    for i in range(COUNT):
        kept = drawn["share"][i]
        expected = kept * alone[i] + (1 - kept) * alone[partners[i]]
        np.testing.assert_allclose(views[i], expected, atol=1e-6)
        soft = kept * np.eye(COUNT)[i] + (1 - kept) * np.eye(COUNT)[partners[i]]
        np.testing.assert_allclose(labels[i], soft, atol=1e-6)


def test_cutmix_against_a_loop():
    mix = CutMix(1.0)
    x, soft = pixels(COUNT), np.eye(COUNT, dtype="float32")
    views, labels = views_of((x, soft), mix, range(COUNT), seed=SEED)
    partners, drawn = drawn_by(mix)
    for i in range(COUNT):
        side = 8 * np.sqrt(1 - drawn["share"][i])
        centre = 8 * drawn["place"][i]
        (top, left), (bottom, right) = (
            np.clip(np.round(centre + sign * side / 2), 0, 8).astype(int)
            for sign in (-1, 1)
        )
        expected = x[i].copy()
        expected[top:bottom, left:right] = x[partners[i], top:bottom, left:right]
        np.testing.assert_array_equal(views[i], expected)
        kept = 1 - (bottom - top) * (right - left) / 64
        label = kept * soft[i] + (1 - kept) * soft[partners[i]]
        np.testing.assert_allclose(labels[i], label, atol=1e-6)


def test_the_probability_leaves_the_others_as_they_are():
    x = pixels(200, size=2)
    views, _ = views_of(x, MixUp(1.0, probability=0.3), range(200))
    same = (views == x).all((1, 2, 3)).mean()
    assert 0.6 < same < 0.8


def test_partners_are_any_examples_and_change_with_the_view():
    mix = MixUp()
    partners = [drawn_by(mix, view)[0] for view in range(50)]
    assert set(np.concatenate(partners)) == set(range(COUNT))
    assert not np.array_equal(partners[0], partners[1])


def test_unlabelled_examples_and_structures_are_mixed():
    x = {"a": pixels(COUNT), "b": np.arange(COUNT, dtype="float32")}
    views, labels = views_of(x, MixUp(0.8), range(COUNT))
    assert labels is None
    assert not np.array_equal(views["b"], x["b"])
    cut, _ = views_of(x, CutMix(), range(COUNT))
    np.testing.assert_array_equal(cut["b"], x["b"])


def test_uint8_images_are_rounded():
    x = (pixels(COUNT) * 255).astype("uint8")
    mix = MixUp(0.8)
    views, _ = views_of(x, mix, range(COUNT), seed=SEED)
    partners, drawn = drawn_by(mix)
    kept = drawn["share"].astype("float32")[:, None, None, None]
    exact = kept * x + (1 - kept) * x[partners].astype("float32")
    assert views.dtype == np.uint8
    assert np.abs(views - exact).max() <= 0.5 + 1e-3


def test_what_cannot_be_mixed_is_refused():
    x, y = pixels(COUNT), np.arange(COUNT)
    with pytest.raises(ValueError, match="Received whole numbers: pass `num_classes`"):
        views_of((x, y), MixUp(), range(4))
    tokens = np.arange(24, dtype="int32").reshape(12, 2)
    with pytest.raises(ValueError, match="floats or uint8.*Received: int32"):
        views_of(tokens, MixUp(), range(4))
    with pytest.raises(ValueError, match="CutMix takes images"):
        views_of(y.astype("float32"), CutMix(), range(4))
    with pytest.raises(ValueError, match="mixes already: CutMix"):
        MixUp(augment=CutMix())
    with pytest.raises(ValueError, match="`alpha` must be positive"):
        MixUp(0.0)
    with pytest.raises(ValueError, match="`probability` must be from 0 to 1"):
        CutMix(probability=2.0)


def test_column_labels_and_keras_layers_below():
    y = np.arange(COUNT)[:, None]
    mix = CutMix(num_classes=COUNT, augment=keras.layers.RandomFlip("horizontal"))
    _, labels = views_of((pixels(COUNT), y), mix, range(COUNT))
    assert labels.shape == (COUNT, COUNT)
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-6)


def test_partners_are_read_from_items_as_well():
    x = pixels(COUNT)
    items = [(image, number) for number, image in enumerate(x)]

    class Items:
        def __len__(self):
            return COUNT

        def __getitem__(self, number):
            return items[number]

    mix = MixUp(0.8, num_classes=COUNT)
    one = views_of(ItemExamples(Items()), mix, range(COUNT))
    other = views_of((x, np.arange(COUNT)), mix, range(COUNT))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
