"""What every layer of `keras_kd.layers` promises, whatever it computes."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import layers
from tests.contracts.layer_table import BATCH, LAYERS

each_layer = pytest.mark.parametrize("row", LAYERS, ids=str)
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


def trained(layer, x):
    """The layer after one batch, so that moving statistics are its own."""
    layer(x, **({"training": True} if layer._call_has_training_arg else {}))
    return layer


def statistics(layer):
    return [w for w in layer.non_trainable_variables if "seed" not in w.path]


@pytest.mark.parametrize("layer", public)
def test_every_layer_has_its_row(layer):
    own = [row for row in LAYERS if row.layer is layer]
    assert own, f"enter {layer.__name__} in tests/contracts/layer_table.py"
    for name, parameter in inspect.signature(layer).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            given = [row.arguments.get(name, parameter.default) for row in own]
            assert any(value != parameter.default for value in given), (
                f"no row of {layer.__name__} gives `{name}` another value"
            )


@each_layer
def test_the_output_has_the_shape_that_was_foretold(row):
    layer = row.make()
    expected = (BATCH, *row.output)
    assert layer.compute_output_shape((BATCH, *row.shape)) == expected
    assert layer.compute_output_shape((None, *row.shape)) == (None, *row.output)
    assert layer(row.sample()).shape == expected
    assert layer.built


@each_layer
def test_sizes_may_be_unknown(row):
    symbolic = row.symbolic or row.shape
    inputs = keras.Input(symbolic)
    layer = row.make()
    outputs = layer(inputs)
    assert outputs.shape == layer.compute_output_shape((None, *symbolic))
    for known, foretold in zip(row.output, outputs.shape[1:], strict=True):
        assert foretold in (known, None)
    traced = tf.function(keras.Model(inputs, outputs))
    x = row.sample()
    np.testing.assert_allclose(traced(x), layer(x), rtol=1e-5, atol=1e-6)
    assert traced(x[:2]).shape == (2, *row.output)


@each_layer
def test_a_layer_comes_back_from_its_config(row):
    layer = row.make(name="own_name")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(again) is row.layer
    assert again.get_config() == layer.get_config()
    for name, value in row.arguments.items():
        kept = {"activation": "linear"}.get(name) if value is None else value
        assert layer.get_config()[name] in (kept, (kept, kept))
    for x in (layer, again):
        x.build((None, *row.shape))
    shapes = [[w.shape for w in x.weights] for x in (layer, again)]
    assert shapes[0] == shapes[1]


@each_layer
def test_a_saved_model_computes_the_same(row, tmp_path):
    inputs = keras.Input(row.symbolic or row.shape)
    layer = row.make()
    model = keras.Model(inputs, layer(inputs))
    x = row.sample()
    trained(layer, x)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x, training=False), model(x, training=False))


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
    x = row.sample()
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert {w.dtype for w in layer.weights} == {"float32"}
    wide = row.make(dtype="float32")
    wide.build(x.shape)
    wide.set_weights(layer.get_weights())
    np.testing.assert_allclose(keras.ops.cast(y, "float32"), wide(x), atol=0.1)


@each_layer
def test_the_global_data_format_does_not_matter(row, channels_first):
    layer, x = row.make(), row.sample()
    y = layer(x)
    assert y.shape == (BATCH, *row.output)
    keras.config.set_image_data_format("channels_last")
    other = row.make()
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    np.testing.assert_allclose(other(x), y, rtol=1e-5, atol=1e-6)


@each_layer
def test_training_moves_nothing_but_statistics(row):
    x = row.sample()
    layer = row.make()
    layer(x)
    before = [w.numpy() for w in statistics(layer)]
    layer(x)
    for was, variable in zip(before, statistics(layer), strict=True):
        np.testing.assert_array_equal(was, variable)
    trained(layer, x)
    for was, variable in zip(before, statistics(layer), strict=True):
        assert not np.allclose(was, variable)
    fixed = layer.trainable_variables + layer.non_trainable_variables
    assert len(fixed) == len(layer.weights)


@each_layer
def test_gradients_reach_every_trainable_variable_and_the_student(row):
    x = tf.constant(row.sample())
    layer = row.make()
    direction = np.random.default_rng(9).normal(size=(BATCH, *row.output))
    training = {"training": True} if layer._call_has_training_arg else {}
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(layer(x, **training) * direction.astype("float32"))
    variables = layer.trainable_variables
    assert variables
    gradients = tape.gradient(value, [x, *(v.value for v in variables)])
    for path, gradient in zip(["x", *(v.path for v in variables)], gradients):  # noqa: B905
        assert gradient is not None, path
        assert np.abs(gradient).sum() > 1e-4, path


REFUSALS = [(row, shape) for row in LAYERS for shape in row.refused]


@pytest.mark.parametrize("row, shape", REFUSALS, ids=str)
def test_a_shape_that_does_not_fit_is_refused_at_build(row, shape):
    with pytest.raises(ValueError) as refusal:
        row.make().build(shape)
    quoted = str(shape), str(shape[1:3]), *(f"{part} tokens with" for part in shape)
    assert any(text in str(refusal.value) for text in quoted)
    assert re.search(row.layer.__name__ + "|`resize='pool'`|class_token=", str(refusal))
