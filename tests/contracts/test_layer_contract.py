"""What every layer of `keras_kd.layers` promises, whatever it computes."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import layers
from keras_kd.hyperparameters import Hyperparameter
from tests.contracts.layer_row import BATCH, Fresh
from tests.contracts.layer_table import LAYERS

each_layer = pytest.mark.parametrize("row", LAYERS, ids=str)
map_tensors = keras.tree.map_structure
public = [
    member
    for _, member in inspect.getmembers(layers, inspect.isclass)
    if issubclass(member, keras.layers.Layer)
]


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


def in_training(layer):
    return {"training": True} if layer._call_has_training_arg else {}


def called(row, layer, x=None, **more):
    return layer(*(x or row.sample()), **row.extras(), **more)


def trained(row, layer, x=None):
    """The layer after one batch, so that moving statistics are its own."""
    called(row, layer, x, **in_training(layer))
    return layer


def statistics(layer):
    return [
        w
        for w in layer.non_trainable_variables
        if "seed" not in w.path and not isinstance(w, Hyperparameter)
    ]


def shapes_of(y):
    return map_tensors(lambda part: tuple(part.shape), y)


def assert_near(y, expected, **tolerance):
    for part, other in zip(
        keras.tree.flatten(y), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(
            keras.ops.cast(part, "float32"), other, **(tolerance or {"rtol": 0})
        )


@pytest.mark.parametrize("layer", public)
def test_every_layer_has_its_row(layer):
    own = [row for row in LAYERS if row.layer is layer]
    assert own, f"enter {layer.__name__} in tests/contracts/layer_rows/"
    for name, parameter in inspect.signature(layer).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            given = [row.arguments.get(name, parameter.default) for row in own]
            assert any(value != parameter.default for value in given), (
                f"no row of {layer.__name__} gives `{name}` another value"
            )


@each_layer
def test_the_output_has_the_shape_that_was_foretold(row):
    layer = row.make()
    for batch in (BATCH, None):
        foretold = layer.compute_output_shape(*row.inputs(batch))
        assert foretold == row.outputs(batch)
    assert shapes_of(called(row, layer)) == row.outputs(BATCH)
    assert layer.built


@each_layer
def test_sizes_may_be_unknown(row):
    inputs, extra = row.symbols(), row.extra_symbols()
    layer = row.make()
    outputs = layer(*inputs, **extra)
    shapes = [map_tensors(lambda x: tuple(x.shape), side) for side in inputs]
    assert shapes_of(outputs) == layer.compute_output_shape(*shapes)
    for known, foretold in zip(
        keras.tree.flatten(row.outputs(None)),
        keras.tree.flatten(shapes_of(outputs)),
        strict=True,
    ):
        assert foretold in (known, None)
    traced = tf.function(keras.Model([inputs, extra], outputs), autograph=False)
    x, extras = row.sample(), row.extras()
    assert_near(traced([x, extras]), called(row, layer, x), rtol=1e-5, atol=1e-6)
    fewer = map_tensors(lambda part: part[:2], [x, extras])
    assert shapes_of(traced(fewer)) == row.outputs(2)


@each_layer
def test_a_layer_comes_back_from_its_config(row):
    layer = row.make(name="own_name")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(again) is row.layer
    assert again.get_config() == layer.get_config()
    for name, value in row.arguments.items():
        if not isinstance(value, Fresh):
            kept = {"activation": "linear"}.get(name) if value is None else value
            assert layer.get_config()[name] in (kept, (kept, kept))
    for x in (layer, again):
        x.build(*row.inputs(None))
    shapes = [[w.shape for w in x.weights] for x in (layer, again)]
    assert shapes[0] == shapes[1]


@each_layer
def test_a_saved_model_computes_the_same(row, tmp_path):
    inputs, extra = row.symbols(), row.extra_symbols()
    layer = row.make()
    model = keras.Model([inputs, extra], layer(*inputs, **extra))
    x = [row.sample(), row.extras()]
    trained(row, layer)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_near(again(x, training=False), model(x, training=False))


@each_layer
@pytest.mark.parametrize("where", ["argument", "global policy"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_keeps_variables_in_float32(row, dtype, where):
    policy = f"mixed_{dtype}"
    if where == "argument":
        layer = row.make(dtype=policy)
    else:
        keras.config.set_dtype_policy(policy)
        layer = row.make()
    y = called(row, layer)
    expected = "float32" if row.always_float32 else dtype
    for part in keras.tree.flatten(y):
        assert keras.backend.standardize_dtype(part.dtype) == expected
    real = [w for w in layer.weights if "float" in w.dtype]
    assert {w.dtype for w in real} <= {"float32"}
    wide = row.make(dtype="float32")
    wide.build(*row.inputs(BATCH))
    wide.set_weights(layer.get_weights())
    assert_near(y, called(row, wide), atol=0.1)


@each_layer
def test_the_global_data_format_does_not_matter(row, channels_first):
    layer = row.make()
    y = called(row, layer)
    assert shapes_of(y) == row.outputs(BATCH)
    keras.config.set_image_data_format("channels_last")
    other = row.make()
    other.build(*row.inputs(BATCH))
    other.set_weights(layer.get_weights())
    assert_near(called(row, other), y, rtol=1e-5, atol=1e-6)


@each_layer
def test_training_moves_nothing_but_statistics(row):
    layer = row.make()
    called(row, layer)
    before = [np.array(w) for w in statistics(layer)]
    called(row, layer)
    for was, variable in zip(before, statistics(layer), strict=True):
        np.testing.assert_array_equal(was, variable)
    fixed = [np.array(w) for w in layer.trainable_variables]
    trained(row, layer)
    for was, variable in zip(before, statistics(layer), strict=True):
        assert not np.allclose(was, variable)
    for was, variable in zip(fixed, layer.trainable_variables, strict=True):
        np.testing.assert_array_equal(was, variable)


@each_layer
def test_gradients_reach_every_trainable_variable_and_the_student(row):
    x = map_tensors(tf.constant, row.sample())
    layer = trained(row, row.make(), x)
    rng = np.random.default_rng(9)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.tree.flatten(called(row, layer, x, **in_training(layer)))
        directions = [rng.normal(size=part.shape).astype("float32") for part in y]
        parts = zip(y, directions, strict=True)
        value = sum(tf.reduce_sum(part * direction) for part, direction in parts)
    variables = layer.trainable_variables
    assert variables or row.passes_gradient
    inputs = keras.tree.flatten(x[-1] if row.student else x)
    wanted = {f"x{at}": part for at, part in enumerate(inputs) if row.passes_gradient}
    wanted |= {v.path: v.value for v in variables}
    gradients = tape.gradient(value, list(wanted.values()))
    for path, gradient in zip(wanted, gradients, strict=True):
        assert gradient is not None, path
        assert np.abs(gradient).sum() > 1e-4, path


REFUSALS = [(row, shape) for row in LAYERS for shape in row.refused]


@pytest.mark.parametrize("row, shape", REFUSALS, ids=str)
def test_a_shape_that_does_not_fit_is_refused_at_build(row, shape):
    with pytest.raises(ValueError) as refusal:
        row.make().build(*(shape if row.student else [shape]))
    several = isinstance(shape, list) or row.student
    quoted = [part for one in (shape if several else [shape]) for part in said(one)]
    assert any(text in str(refusal.value) for text in quoted)
    assert re.search(row.layer.__name__ + "|`resize='pool'`|class_token=", str(refusal))


def said(shape):
    """How an error may speak of a shape."""
    return str(shape), str(shape[1:3]), *(f"{part} tokens with" for part in shape)
