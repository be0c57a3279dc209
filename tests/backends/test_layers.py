"""The layers' contract on another backend, and what they give beside TensorFlow's."""

import keras
import numpy as np
import pytest

from tests.backends.backend import map_tensors
from tests.backends.reference import gradients_of_layer, key, of_layer
from tests.backends.shared import shared
from tests.contracts import test_layer_contract
from tests.contracts.test_layer_contract import (
    assert_near,
    called,
    each_layer,
    in_training,
    shapes_of,
    trained,
)

pytestmark = pytest.mark.backend


@each_layer
def test_outputs_and_gradients_are_tensorflows(row, reference):
    expected = reference["layers"][key(row)]
    found = of_layer(row, expected["weights"])
    if expected["by_chance"]:
        assert shapes_of(found["outputs"]) == shapes_of(expected["outputs"])
        return
    assert_near(found["outputs"], expected["outputs"], rtol=1e-4, atol=1e-5)
    assert_near(found["gradients"], expected["gradients"], rtol=1e-3, atol=1e-4)


@each_layer
def test_sizes_may_be_unknown(row):
    inputs, extra = row.symbols(), row.extra_symbols()
    layer = row.make()
    outputs = layer(*inputs, **extra)
    shapes = [map_tensors(lambda x: tuple(x.shape), side) for side in inputs]
    assert shapes_of(outputs) == layer.compute_output_shape(*shapes)
    model = keras.Model([inputs, extra], outputs)
    x, extras = row.sample(), row.extras()
    assert_near(model([x, extras]), called(row, layer, x), rtol=1e-5, atol=1e-6)
    fewer = map_tensors(lambda part: part[:2], [x, extras])
    assert shapes_of(model(fewer)) == row.outputs(2)


@each_layer
def test_gradients_reach_every_trainable_variable_and_the_student(row):
    layer = trained(row, row.make())
    variables = layer.trainable_variables
    assert variables or row.passes_gradient
    inputs, by_variable = gradients_of_layer(row, layer, **in_training(layer))
    for variable, gradient in zip(variables, by_variable, strict=True):
        assert np.abs(gradient).sum() > 1e-4, variable.path
    if row.passes_gradient:
        for gradient in keras.tree.flatten(inputs[-1] if row.student else inputs):
            assert np.abs(gradient).sum() > 1e-4


globals().update(shared(test_layer_contract, globals()))
