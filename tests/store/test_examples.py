"""Data in every form that people have them."""

import types

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.store.data.examples import ItemExamples, as_examples
from keras_kd.store.data.streams import StreamExamples
from keras_kd.store.rows.gathering import rows_of
from tests.store.views_of import pixels

X, Y = pixels(11), np.arange(11)
WEIGHT = np.linspace(0, 1, 11).astype("float32")
IDS = np.array([3, 9, 9, 0, 10])


class Items:
    def __len__(self):
        return 11

    def __getitem__(self, number):
        if not 0 <= number < 11:
            raise IndexError(number)
        return X[number], Y[number], WEIGHT[number]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        part = slice(number * 4, number * 4 + 4)
        return X[part], Y[part], WEIGHT[part]


def mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r"), Y, WEIGHT


def in_a_file(tmp_path):
    file = h5py.File(tmp_path / "x.h5", "w")
    return file.create_dataset("x", data=X), Y, WEIGHT


def slices(_):
    return tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT))


FORMS = {
    "arrays": lambda _: (X, Y, WEIGHT),
    "memmap": mapped,
    "h5py": in_a_file,
    "tensors": lambda _: (tf.constant(X), tf.constant(Y), WEIGHT.tolist()),
    "items": lambda _: Items(),
    "tf.data": slices,
    "tf.data of batches": lambda _: slices(_).batch(4),
    "tf.data of whole batches": lambda _: slices(_).batch(11, drop_remainder=True),
    "tf.data of unknown length": lambda _: slices(_).filter(lambda *_: True),
    "PyDataset": lambda _: Batches(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples_by_number(form, tmp_path):
    if form == "tensors":
        x, y, weight = FORMS[form](tmp_path)
        examples = as_examples((x, y, np.array(weight, "float32")))
    else:
        examples = as_examples(FORMS[form](tmp_path))
    assert examples.count == 11
    assert as_examples(examples) is examples
    for ids in (IDS, np.arange(4), np.arange(4, 8), np.arange(2)):
        x, y, weight = examples.read(ids)
        np.testing.assert_array_equal(x, X[ids])
        np.testing.assert_array_equal(y, Y[ids])
        np.testing.assert_array_equal(weight, WEIGHT[ids])
    x, y = examples(IDS)
    np.testing.assert_array_equal(x, X[IDS])
    spec_x, spec_y = examples.spec()
    assert (spec_x.shape, spec_x.dtype) == ((None, 8, 8, 3), "float32")
    assert spec_y.shape == (None,)


@pytest.mark.parametrize(
    "data",
    [
        X,
        tf.data.Dataset.from_tensor_slices(X),
        tf.data.Dataset.from_tensor_slices(X).batch(3),
        ItemExamples(list(X)),
    ],
    ids=["array", "tf.data", "batches", "items"],
)
def test_labels_may_be_missing(data):
    x, y, weight = as_examples(data).read(np.array([1, 2]))
    np.testing.assert_array_equal(x, X[1:3])
    assert y is None and weight is None
    assert as_examples(data).spec()[1] is None


def test_structures_and_our_own_datasets():
    x, y = as_examples({"a": X, "b": [Y, WEIGHT]})(IDS)
    np.testing.assert_array_equal(x["b"][1], WEIGHT[IDS])
    assert y is None
    x, _ = as_examples([X, Y])(IDS)
    np.testing.assert_array_equal(x[1], Y[IDS])
    ours = types.SimpleNamespace(x_train=X, y_train=Y)
    np.testing.assert_array_equal(as_examples(ours)(IDS)[1], Y[IDS])


def test_a_stream_is_read_on_and_not_begun_anew():
    passes = []

    def numbers():
        passes.append(1)
        yield from X

    data = tf.data.Dataset.from_generator(
        numbers, output_signature=tf.TensorSpec((8, 8, 3))
    )
    examples = as_examples(data)
    del passes[:]
    for first in range(0, 9, 3):
        examples(np.arange(first, first + 3))
    assert len(passes) == 1
    examples(np.array([10, 0]))
    assert len(passes) == 2


def test_data_in_another_order_each_time_are_refused():
    data = tf.data.Dataset.from_tensor_slices(X).shuffle(11)
    with pytest.raises(ValueError, match="the same order in every pass"):
        StreamExamples(data)


@pytest.mark.parametrize(
    "data, error, sentence",
    [
        ((X, Y[:3]), ValueError, r"one length.*Received the lengths \[11, 3\]"),
        (X[:0], ValueError, r"Received the lengths \[0\]"),
        (3, TypeError, "Received: int"),
        ("images", TypeError, "Received: str"),
        (tf.data.Dataset.from_tensor_slices(X).repeat(), ValueError, "infinite"),
        (tf.data.Dataset.from_tensor_slices(X).take(0), ValueError, "Received none"),
    ],
)
def test_what_are_no_examples_is_refused(data, error, sentence):
    with pytest.raises(error, match=sentence):
        as_examples(data)


def test_large_rows_are_laid_where_tensorflow_takes_them():
    array = np.arange(60_000, dtype="float32").reshape(60, 1000)
    rows = rows_of(array, [5, 1, 5, 59, 0, 3])
    np.testing.assert_array_equal(rows, array[[5, 1, 5, 59, 0, 3]])
    assert rows.ctypes.data % 64 == 0
    with pytest.raises(IndexError, match="Rows from 0 to 59 are there"):
        rows_of(array, [60] * 20)
