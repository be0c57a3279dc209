"""The losses' contract on another backend, and their values beside TensorFlow's."""

import keras
import numpy as np
import pytest

from keras_kd import losses
from tests.backends import backend
from tests.backends.backend import gradient_of, map_tensors, tensors, values_of
from tests.backends.reference import key
from tests.backends.shared import shared
from tests.contracts import test_loss_contract, test_loss_mask
from tests.contracts.test_loss_contract import each_loss
from tests.contracts.test_loss_mask import each_masked_loss, mask_of
from tests.golden.test_golden import CLASSES, FUNCTIONS, decoded, entries

pytestmark = [
    pytest.mark.backend,
    # JAX has no float64 unless it is told to; a loss that asks for it gets float32.
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64"),
    # An array times a tensor of PyTorch's, on numpy 2.
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context"),
]


def assert_near(found, expected, **tolerance):
    map_tensors(
        lambda a, b: np.testing.assert_allclose(a, b, **tolerance), found, expected
    )


@each_loss
def test_values_and_gradients_are_tensorflows(row, reference):
    expected = reference["losses"][key(row)]
    teacher, student = row.sample()
    values = values_of(row, teacher, student)
    np.testing.assert_allclose(values, expected["values"], rtol=2e-5, atol=1e-6)
    _, gradient = gradient_of(row, teacher, student)
    assert_near(gradient, expected["gradient"], rtol=1e-3, atol=1e-5)


@each_loss
def test_no_gradient_reaches_the_teacher(row):
    if row.loss.trains_teacher_side:
        pytest.skip("a layer over the teacher's features learns from it")
    teacher, student = row.sample()
    flat = keras.tree.flatten(teacher)
    real = [at for at, x in enumerate(flat) if x.dtype.kind == "f"]

    def value(inputs):
        parts = tensors(flat)
        for at, x in zip(real, inputs[0], strict=True):
            parts[at] = x
        both = keras.tree.pack_sequence_as(teacher, parts), inputs[1]
        return row.make()(row.targets(both[0]), both[1])

    inputs = [[flat[at] for at in real], student]
    _, (of_teacher, _) = backend.value_and_gradients(value, inputs)
    assert all(np.all(part == 0.0) for part in of_teacher)


@each_loss
@pytest.mark.skipif(backend.NAME != "jax", reason="only JAX compiles")
def test_a_traced_step_equals_the_eager_one(row):
    teacher, student = row.sample()
    value, gradient = gradient_of(row, teacher, student, jit=True)
    expected_value, expected = gradient_of(row, teacher, student)
    np.testing.assert_allclose(value, expected_value, rtol=1e-4)
    assert_near(gradient, expected, rtol=1e-3, atol=1e-5)


@each_loss
def test_nothing_is_better_than_equality(row):
    if backend.NAME == "jax" and row.loss is losses.KerasLoss:
        pytest.skip("JAX says that |x| has the derivative 1 at 0, and so does mae")
    test_loss_contract.test_nothing_is_better_than_equality(row)


@each_masked_loss
def test_the_mask_that_keras_attached_is_used(row):
    teacher, student = row.sample()
    attached, mask = tensors(student), mask_of(row)
    first = keras.tree.flatten(attached)[0]
    try:
        first._keras_mask = tensors(mask)
    except AttributeError:
        pytest.skip("this backend's arrays take no mask along")
    np.testing.assert_array_equal(
        values_of(row, teacher, attached), values_of(row, teacher, student, mask=mask)
    )


@pytest.mark.parametrize(("name", "entry"), entries(FUNCTIONS))
def test_function_in_float32(name, entry):
    """Keras has no float64 but on TensorFlow: `ops.maximum` and others narrow it."""
    inputs = {part: decoded(x, "float32") for part, x in entry["inputs"].items()}
    function = getattr(losses, name)
    values = backend.numpy(function(**tensors(inputs), **entry["arguments"]))
    expected = decoded(entry["values"], "float32")
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "entry"), entries(CLASSES))
def test_class_in_float32(name, entry):
    inputs = {part: decoded(x, "float32") for part, x in entry["inputs"].items()}
    student, mask = inputs.pop("student"), inputs.pop("mask", None)
    teacher = inputs["teacher"] if list(inputs) == ["teacher"] else inputs
    loss = getattr(losses, name)(**entry["arguments"], reduction=None)
    values = backend.numpy(loss(teacher, student, mask=mask))
    expected = decoded(entry["values"], "float32")
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=2e-6)


globals().update(shared(test_loss_contract, globals()))
globals().update(shared(test_loss_mask, globals()))
