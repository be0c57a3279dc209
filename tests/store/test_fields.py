"""One contract for every codec, and the choice between them."""

import json
import warnings

import keras
import numpy as np
import pytest

from keras_kd.store.fields import (
    Field,
    Int8,
    Leaf,
    TopK,
    Whole,
    field_for,
    field_from,
)

FIELDS = [
    Whole((12,), "float32"),
    Whole((3, 4), "float16"),
    Whole((), "float32"),
    Int8((12,)),
    Int8((6, 6, 5)),
    Int8((4, 7)),
    TopK((12,), 3, "float32"),
    TopK((12,), 3, "float16", temperature=4.0),
    TopK((12,), 11),
    TopK((1000,), 10, temperature=2.0),
    TopK((2, 12), 3),
    TopK((2, 300), 1),
    TopK((2, 12), 3, "float32"),
]
each_field = pytest.mark.parametrize("field", FIELDS, ids=repr)


def values_for(field, rows=5, dtype="float32"):
    rng = np.random.default_rng(0)
    return (3 * rng.normal(size=(rows, *field.shape))).astype(dtype)


def close(field, arrays, values):
    stored, again = field.comparable(arrays, values)
    most = np.abs(again).max()
    assert np.abs(stored - again).max() <= field.closeness.difference * most


@each_field
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_arrays_have_the_shapes_and_types_they_announce(field, rows):
    arrays = field.encode(values_for(field, rows))
    assert set(arrays) == set(field.arrays)
    for name, (shape, dtype) in field.arrays.items():
        assert arrays[name].shape == (rows, *shape)
        assert arrays[name].dtype == dtype
    written = sum(array.nbytes for array in arrays.values())
    assert written == rows * field.row_bytes


@each_field
@pytest.mark.parametrize("rows", [0, 5])
def test_what_is_read_is_as_its_spec_says_and_near_what_was_given(field, rows):
    values = values_for(field, rows)
    arrays = field.encode(values)
    read = field.decode(arrays)
    assert read.shape == (rows, *field.shape) == (rows, *field.spec().shape[1:])
    assert read.dtype == field.spec().dtype == "float32"
    if rows:
        close(field, arrays, values)


@each_field
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_are_taken(field, dtype):
    values = values_for(field, dtype=dtype)
    close(field, field.encode(values), values)


@each_field
def test_rows_do_not_know_of_each_other(field):
    values = values_for(field)
    whole = field.decode(field.encode(values))
    alone = [field.decode(field.encode(values[i : i + 1])) for i in range(5)]
    np.testing.assert_array_equal(whole, np.concatenate(alone))


@each_field
def test_nothing_that_is_given_is_changed(field):
    values = values_for(field)
    arrays = field.encode(given := values.copy())
    kept = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    field.decode(arrays)
    field.comparable(arrays, given)
    np.testing.assert_array_equal(given, values)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, kept[name])


@each_field
def test_a_field_returns_from_its_json(field):
    told = json.loads(json.dumps(field.to_dict()))
    again = field_from(told)
    assert again == field and again.to_dict() == field.to_dict()
    assert hash(again) == hash(field)
    leaf = Leaf("body", ("a", 1), field, "body_a_1")
    assert Leaf.from_dict(json.loads(json.dumps(leaf.to_dict()))) == leaf
    assert set(leaf.files()) == set(field.arrays)


@each_field
def test_zeros_are_near_zeros(field):
    values = np.zeros((3, *field.shape), "float32")
    arrays = field.encode(values)
    close(field, arrays, values)
    if not isinstance(field, TopK):
        np.testing.assert_array_equal(field.decode(arrays), values)


def test_float16_keeps_its_nearest_of_what_is_beyond_it():
    field = Whole((3,), "float16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arrays = field.encode(np.array([[1e6, -np.inf, 2]], "float32"))
    np.testing.assert_array_equal(field.decode(arrays), [[65504, -65504, 2]])


def test_integers_and_booleans_are_kept_as_they_are():
    for dtype in ("int32", "uint8", "bool", "int64"):
        field = field_for(keras.KerasTensor((None, 4), dtype), "int8")
        assert field == Whole((4,), dtype)
        values = np.arange(8).reshape(2, 4).astype(dtype)
        read = field.decode(field.encode(values))
        assert read.dtype == dtype == field.spec().dtype
        np.testing.assert_array_equal(read, values)


def test_the_codec_follows_the_tensor_and_what_was_asked():
    logits = keras.KerasTensor((None, 1000), "float32")
    tokens = keras.KerasTensor((None, 7, 1000), "bfloat16")
    assert field_for(logits) == Whole((1000,), "float16")
    assert field_for(logits, "float32") == Whole((1000,), "float32")
    assert field_for(logits, "int8") == Int8((1000,))
    assert field_for(logits, top_k=10) == TopK((1000,), 10)
    assert field_for(tokens, "float16", 5, 4.0) == TopK((7, 1000), 5, "float16", 4.0)
    assert field_for(np.zeros((1, 4), "float64"), "float32") == Whole((4,), "float32")
    # No more classes than are kept: all of them.
    assert field_for(logits, top_k=1000) == Whole((1000,), "float16")
    assert field_for(logits, "float32", top_k=2000) == Whole((1000,), "float32")


@pytest.mark.parametrize(
    ("tensor", "options", "said"),
    [
        (np.zeros((1, 9)), {"precision": "flaot16"}, r"Did you mean 'float16'"),
        (np.zeros((1, 9)), {"precision": "bfloat16"}, r"\['float16', 'float32', 'int8"),
        (np.zeros((1, 9)), {"precision": "compact"}, "pass `top_k`"),
        (np.zeros((1, 9)), {"precision": "int8", "top_k": 3}, r"\['compact'"),
        (np.zeros((1, 9), "int32"), {"top_k": 3}, "is for logits.*int32"),
        (np.zeros((1, 9, 1)), {"top_k": 3}, "is for logits"),
        (np.zeros(1), {"top_k": 3}, "is for logits"),
        (np.zeros((1, 9)), {"top_k": 0}, "`top_k` must be a positive integer"),
        (np.zeros((1, 9)), {"top_k": 3, "temperature": 0}, "`temperature`"),
        (keras.KerasTensor((None, None, 9)), {}, "one shape for every example"),
    ],
)
def test_what_does_not_go_together_is_refused(tensor, options, said):
    with pytest.raises(ValueError, match=said):
        field_for(tensor, **options)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="`kind` must be one of"):
        field_from({"kind": "half", "shape": [3]})
    assert isinstance(field_from({"kind": "int8", "shape": [3]}), Field)


# What `label` kept in int8, checked by itself.


def test_int8_is_half_a_step_from_what_it_was():
    values = values_for(field := Int8((50,)), rows=20)
    apart = np.abs(field.decode(field.encode(values)) - values)
    step = np.abs(values).max(-1, keepdims=True) / 127
    assert (apart <= 0.5001 * step).all()


def test_int8_of_what_has_no_negatives_has_steps_of_half_the_size():
    values = np.maximum(values_for(field := Int8((50,)), rows=20), 0)
    read = field.decode(field.encode(values))
    step = values.max(-1, keepdims=True) / 255
    assert (np.abs(read - values) <= 0.5001 * step).all()
    assert (read[values == 0] == 0).all()


def test_a_map_has_a_scale_for_each_channel():
    """A loud channel takes nothing from a quiet one."""
    field = Int8((7, 7, 2))
    assert field.row_bytes == 7 * 7 * 2 + 2 * 4
    values = values_for(field) * np.array([1000, 0.001], "float32")
    apart = np.abs(field.decode(field.encode(values)) - values)
    assert apart[..., 1].max() < 0.001 * 12 / 127


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_int8_refuses_what_is_no_number(wrong):
    values = np.ones((2, 4), "float32")
    values[1, 2] = wrong
    with pytest.raises(ValueError, match="must be finite"):
        Int8((4,)).encode(values)


def test_int8_takes_numbers_of_every_size():
    field = Int8((3,))
    for size in (1e-45, 1e-38, 1e-20, 1e20, 3e38):
        values = np.array([[size, -size, 0], [size, 0, 0]], "float32")
        read = field.decode(field.encode(values))
        assert np.isfinite(read).all() and read[0, 2] == 0
        np.testing.assert_allclose(read, values, rtol=1e-5, atol=1.2e-38)
