"""A store's dataset: every example once an epoch, with its own targets and view."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd.store import label
from keras_kd.store.data.examples import as_examples
from keras_kd.store.reading.dataset import stored_batches
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.mixing import MixUp
from keras_kd.store.views.views import AsTheyAre
from keras_kd.teachers import Teacher
from tests.store.views_of import pixels

COUNT = 23
X, Y = pixels(COUNT, size=4), np.arange(COUNT)


class Seen(Teacher):
    """Leaves the very pixels that it was shown."""

    def spec(self, x, taps, student=None):
        return {"output": x}

    def features(self, x, taps, student=None):
        return {"output": x}

    def identity(self):
        return "seen"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    def made(name, data=(X, Y), **given):
        folder = tmp_path_factory.mktemp(name) / "store"
        given = {"precision": "float32", "verbose": 0, "range_rows": 9} | given
        return label(Seen(), data, folder, batch_size=5, **given)

    return made


@pytest.fixture(scope="module")
def plain(store):
    return store("plain", views=2)


def read(dataset):
    """`(ids, x, targets, labels)` of one pass."""
    batches = list(dataset.as_numpy_iterator())
    return [
        np.concatenate([part(batch) for batch in batches])
        for part in (
            lambda b: b[1]["index"], lambda b: b[0],
            lambda b: b[1]["teacher"]["output"], lambda b: b[1]["labels"],
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "augment",
    [
        None,
        Augmentation(flip=True, crop=1, brightness=0.1, rotate=5.0),
        MixUp(0.5, augment=Augmentation(flip=True)),
        lambda x, seed: tf.image.stateless_random_flip_up_down(x, seed),
    ],
    ids=["none", "built in", "mixup", "function"],
)
def test_the_pixels_of_training_are_those_of_labelling(store, augment):
    data = X if isinstance(augment, MixUp) else (X, Y)
    stored = store("pixels", data, views=3, augment=augment)
    dataset = stored.dataset(data, batch_size=7, augment=augment)
    seen = []
    for _ in range(4):
        batches = list(dataset.as_numpy_iterator())
        ids = np.concatenate([y["index"] for _, y in batches])
        x = np.concatenate([x for x, _ in batches])
        targets = np.concatenate([y["teacher"]["output"] for _, y in batches])
        assert sorted(ids) == list(range(COUNT))
        np.testing.assert_allclose(x, targets, rtol=0, atol=1e-6)
        seen.append(x[np.argsort(ids)])
    np.testing.assert_allclose(seen[3], seen[0], atol=1e-6)  # three views, then again
    if augment is not None:
        assert not np.allclose(seen[0], seen[1], atol=1e-3)
        assert not np.allclose(seen[1], seen[2], atol=1e-3)


def test_orders_differ_by_epoch_and_seed_and_are_theirs(plain):
    one, same = (plain.dataset((X, Y), batch_size=4, seed=5) for _ in range(2))
    orders = [read(one)[0].tolist() for _ in range(3)]
    assert orders == [read(same)[0].tolist() for _ in range(3)]
    assert len({str(order) for order in orders}) == 3
    other = read(plain.dataset((X, Y), batch_size=4, seed=6))[0].tolist()
    assert other not in orders
    wide = read(plain.dataset((X, Y), batch_size=9, seed=5))[0].tolist()
    assert wide == orders[0]  # whatever the batch size


def test_without_shuffling_the_order_is_the_datas(plain):
    ids, x, targets, labels = read(plain.dataset((X, Y), batch_size=4, shuffle=False))
    assert ids.tolist() == labels.tolist() == list(range(COUNT))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(targets, X)


def test_a_smaller_last_batch_stays_or_is_dropped(plain):
    kept = plain.dataset((X, Y), batch_size=10)
    assert [len(x) for x, _ in kept] == [10, 10, 3] and len(kept) == 3
    dropped = plain.dataset((X, Y), batch_size=10, drop_remainder=True)
    assert [len(x) for x, _ in dropped] == [10, 10] and len(dropped) == 2
    with pytest.raises(ValueError, match="`batch_size` must be at most 23"):
        plain.dataset((X, Y), batch_size=24, drop_remainder=True)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        plain.dataset((X, Y), batch_size=0)


def test_an_epoch_counts_once_its_last_batch_is_taken(plain):
    dataset = plain.dataset((X, Y), batch_size=10)
    for looked in (1, 2):
        list(dataset.take(looked))
        assert dataset.epochs.next == 0
    first = [y["index"].numpy() for _, y in dataset.take(3)]
    assert dataset.epochs.next == 1
    dataset.epochs.next = 0
    again = [y["index"].numpy() for _, y in dataset]
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    twice = [y["index"].numpy() for _, y in dataset.repeat(2)]
    assert dataset.epochs.next == 3 and len(twice) == 6


def test_without_targets_the_batches_are_plain_and_the_same(plain):
    with_targets, without = (
        plain.dataset((X, Y), batch_size=6, targets=targets)
        for targets in (True, False)
    )
    for (x, y), (same_x, labels) in zip(with_targets, without, strict=True):
        np.testing.assert_array_equal(x, same_x)
        np.testing.assert_array_equal(y["labels"], labels)


def test_sample_weights_come_third_and_labels_may_be_missing(plain):
    weight = np.linspace(0, 1, COUNT).astype("float32")
    for _, y, weights in plain.dataset((X, Y, weight), batch_size=8):
        np.testing.assert_array_equal(weights, weight[y["index"].numpy()])
    for _, y in plain.dataset(X, batch_size=8):
        assert set(y) == {"teacher", "index"}
    assert [len(batch) for batch in plain.dataset(X, targets=False)] == [1]


def test_a_stream_is_shuffled_and_keeps_its_numbers(plain):
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    dataset = plain.dataset(data, batch_size=6)
    orders = []
    for _ in range(2):
        ids, x, targets, labels = read(dataset)
        np.testing.assert_array_equal(x, X[ids])
        np.testing.assert_allclose(targets, X[ids])
        np.testing.assert_array_equal(labels, ids)
        orders.append(ids.tolist())
    assert sorted(orders[0]) == list(range(COUNT)) and orders[0] != orders[1]
    dataset.epochs.next = 0
    assert read(dataset)[0].tolist() == orders[0]
    straight = plain.dataset(data, batch_size=6, shuffle=False, drop_remainder=True)
    assert read(straight)[0].tolist() == list(range(18))


def test_a_stream_has_no_partners():
    data = as_examples(tf.data.Dataset.from_tensor_slices(X))
    with pytest.raises(ValueError, match="MixUp reads a partner of each example"):
        stored_batches(data, MixUp(), 0)


def test_other_data_and_other_views_are_refused(plain):
    with pytest.raises(ValueError, match="other data: its number of examples"):
        plain.dataset((X[:9], Y[:9]))
    changed = X.copy()
    changed[7, 0, 0, 0] += 1
    with pytest.raises(ValueError, match="other data: its contents"):
        plain.dataset((changed, Y))
    with pytest.raises(ValueError, match="another augmentation"):
        plain.dataset((X, Y), augment=Augmentation(flip=True))
    plain.dataset((X, Y[::-1]))  # the teacher has seen no labels


def test_views_need_not_come_again_without_a_store():
    views = stored_batches(as_examples(X), Augmentation(crop=1), 0, shuffle=False)
    assert isinstance(views, tf.data.Dataset)
    first, second = (np.concatenate([x for (x,) in views]) for _ in range(2))
    assert not np.allclose(first, second)
    same = stored_batches(as_examples(X), AsTheyAre(), 0, shuffle=False)
    np.testing.assert_array_equal(np.concatenate([x for (x,) in same]), X)
