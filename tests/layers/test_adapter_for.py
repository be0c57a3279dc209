"""The table by which an adapter is chosen, and what it does not know."""

import keras
import numpy as np
import pytest

from keras_kd.layers import DenseAdapter, FeatureAdapter, TokenAdapter, adapter_for

TABLE = [
    # student, teacher (without the batch), class, arguments
    ((8, 8, 3), (8, 8, 5), FeatureAdapter, {"filters": 5, "size": None}),
    ((8, 8, 3), (4, 4, 3), FeatureAdapter, {"filters": 3, "size": (4, 4)}),
    ((4, 6, 3), (8, 6, 5), FeatureAdapter, {"filters": 5, "size": (8, 6)}),
    ((None, None, 3), (None, None, 5), FeatureAdapter, {"filters": 5, "size": None}),
    ((6,), (4,), DenseAdapter, {"units": 4}),
    ((7, 6), (7, 4), DenseAdapter, {"units": 4}),
    ((None, 6), (None, 4), DenseAdapter, {"units": 4}),
    (
        (8, 8, 3),
        (16, 5),
        TokenAdapter,
        {"units": 5, "to": "tokens", "size": (4, 4), "class_token": False},
    ),
    (
        (8, 8, 3),
        (17, 5),
        TokenAdapter,
        {"units": 5, "to": "tokens", "size": (4, 4), "class_token": True},
    ),
    (
        (16, 3),
        (4, 4, 5),
        TokenAdapter,
        {"units": 5, "to": "map", "size": (4, 4), "class_token": False},
    ),
    (
        (17, 3),
        (8, 6, 5),
        TokenAdapter,
        {"units": 5, "to": "map", "size": (8, 6), "class_token": True},
    ),
]


@pytest.mark.parametrize("student, teacher, kind, arguments", TABLE)
def test_the_table(student, teacher, kind, arguments):
    adapter = adapter_for((None, *student), (None, *teacher))
    assert type(adapter) is kind
    config = adapter.get_config()
    assert {key: config[key] for key in arguments} == arguments
    if kind is not DenseAdapter and None not in student:
        x = np.ones((2, *student), "float32")
        assert adapter(x).shape == (2, *teacher)
    assert not adapter.losses


@pytest.mark.parametrize("student, teacher, kind, arguments", TABLE)
def test_an_adapter_may_be_negative(student, teacher, kind, arguments):
    """A teacher's feature may be, and a ReLU could then never reach it."""
    adapter = adapter_for((None, *student), (None, *teacher))
    activation = getattr(adapter, "activation", keras.activations.linear)
    assert activation is keras.activations.linear


@pytest.mark.parametrize("shape", [(8, 8, 3), (None, None, 3), (6,), (7, 6), (2, 2)])
def test_equal_shapes_need_none(shape):
    assert adapter_for((None, *shape), (32, *shape)) is None
    assert adapter_for([None, *shape], (None, *shape)) is None


@pytest.mark.parametrize(
    "student, teacher",
    [
        ((8, 8, 3), (6,)),
        ((6,), (8, 8, 3)),
        ((6,), (7, 6)),
        ((7, 6), (6,)),
        ((7, 6), (9, 6)),
        ((None, 6), (9, 4)),
        ((8, 8, 3), (15, 5)),
        ((8, 8, 3), (None, 5)),
        ((15, 3), (4, 4, 5)),
        ((None, 3), (4, 4, 5)),
        ((8, 8, 3), (8, 8, None)),
        ((8, 8, None), (8, 8, 3)),
        ((None,), (4,)),
        ((2, 2, 2, 3), (2, 2, 2, 5)),
    ],
)
def test_what_it_does_not_know_it_refuses(student, teacher):
    shapes = (None, *student), (None, *teacher)
    with pytest.raises(ValueError, match="pass a layer as `adapter=`") as refusal:
        adapter_for(*shapes)
    assert all(str(shape) in str(refusal.value) for shape in shapes)


@pytest.mark.parametrize("student, teacher, kind, arguments", TABLE)
def test_the_dtype_is_the_adapters_own(student, teacher, kind, arguments):
    keras.config.set_dtype_policy("mixed_float16")
    shapes = (None, *student), (None, *teacher)
    assert adapter_for(*shapes).compute_dtype == "float16"
    adapter = adapter_for(*shapes, dtype="float32")
    assert adapter.compute_dtype == "float32"
    parts = [part for part in adapter._flatten_layers() if part is not adapter]
    assert parts
    assert all(part.compute_dtype == "float32" for part in parts)
