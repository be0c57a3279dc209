"""Data of every kind arrives by input name, or is refused in one sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd.export.calibration import calibration_samples
from keras_kd.export.samples import batches, by_name
from keras_kd.export.signature import signature_of
from tests.export.students import cnn, data_for, tokens, two_by_list

X = np.arange(10 * 64, dtype="float32").reshape(10, 8, 8, 1)
Y = np.arange(10)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(5 * index, 5 * index + 5)
        return X[part], Y[part]


@pytest.mark.parametrize(
    ("data", "labelled"),
    [
        (X, False),
        ([X], False),
        ({"image": X}, False),
        ((X, Y), True),
        ((X, Y, np.ones(10)), True),
        (X.astype("float64"), False),
        (X.astype("int64"), False),
        (tf.data.Dataset.from_tensor_slices(X).batch(4), False),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), True),
        (tf.data.Dataset.from_tensor_slices({"image": X}).batch(4), False),
        (lambda: iter([X[:3], X[3:]]), False),
        (iter([(X[:3], Y[:3]), (X[3:], Y[3:])]), True),
        (Batches(), True),
    ],
)
def test_every_kind_of_data_gives_the_same_samples(data, labelled):
    found = list(batches(signature_of(cnn()), data))
    np.testing.assert_array_equal(np.concatenate([x["image"] for x, _ in found]), X)
    assert found[0][0]["image"].dtype == "float32"
    if labelled:
        np.testing.assert_array_equal(np.concatenate([y for _, y in found]), Y)
    else:
        assert found[0][1] is None


def test_a_list_is_in_the_models_order():
    signature = signature_of(two_by_list())
    batch = by_name(signature, [np.full((2, 4), 7.0), np.zeros((2, 4))])
    assert batch["b"].max() == 7 and batch["a"].max() == 0


@pytest.mark.parametrize(
    ("make", "data", "error", "sentence"),
    [
        (cnn, X[0], ValueError, r"lacks the batch axis.*x\[None\]"),
        (cnn, X[..., 0], ValueError, r"must have shape \(batch, 8, 8, 1\)"),
        (cnn, X[:, :4], ValueError, r"Received: \(10, 4, 8, 1\)"),
        (cnn, {"imag": X}, ValueError, "no input 'imag'.*Did you mean 'image'"),
        (cnn, [X, X], ValueError, r"must hold 1 input\(s\), \['image'\]"),
        (cnn, np.array([["a"]]), TypeError, "arrays of numbers"),
        (two_by_list, {"a": np.ones((2, 4))}, ValueError, "lacks the input 'b'"),
        (
            two_by_list,
            {"a": np.ones((2, 4)), "b": np.ones((3, 4))},
            ValueError,
            "one batch size",
        ),
        (tokens, np.ones((2, 7)), ValueError, r"must be integers \(int32\)"),
        (tokens, np.full((2, 7), 2**40), ValueError, "does not fit int32"),
        (cnn, (), ValueError, "empty tuple"),
    ],
)
def test_data_that_does_not_fit_is_refused(make, data, error, sentence):
    with pytest.raises(error, match=sentence):
        list(batches(signature_of(make()), data))


def test_calibration_takes_single_samples_at_even_distances():
    data = np.repeat(np.arange(1000.0), 64).reshape(1000, 8, 8, 1)
    samples = calibration_samples(signature_of(cnn()), data, limit=101)
    assert len(samples) == 101
    assert samples[0]["image"].shape == (1, 8, 8, 1)
    assert samples[0]["image"].max() == 0 and samples[-1]["image"].max() == 999


def test_calibration_reads_no_more_of_a_stream_than_it_needs():
    def endless():
        while True:
            yield np.ones((7, 8, 8, 1))

    assert len(calibration_samples(signature_of(cnn()), endless, limit=130)) == 130


def test_calibration_regroups_to_the_files_batch():
    batch = data_for(two_by_list(), 103)
    samples = calibration_samples(signature_of(two_by_list()), batch, batch_size=4)
    assert len(samples) == 25 and samples[24]["a"].shape == (4, 4)
    np.testing.assert_array_equal(samples[24]["a"], batch["a"][96:100])


def test_too_few_samples_are_warned_about():
    with pytest.warns(UserWarning, match="holds 10 sample.*100 to 512 are wise"):
        calibration_samples(signature_of(cnn()), X)


def test_no_samples_and_broken_samples_are_refused():
    signature = signature_of(cnn())
    for few in (0, 7):
        with pytest.raises(ValueError, match=f"at least 8 samples.*Received: {few}"):
            calibration_samples(signature, X[:few])
    with pytest.raises(ValueError, match="at least 9 .*recipe='dynamic_int8'"):
        calibration_samples(signature, X[:8], batch_size=9)
    with pytest.raises(ValueError, match="'image' holds NaN"):
        calibration_samples(signature, np.full((200, 8, 8, 1), np.nan))
