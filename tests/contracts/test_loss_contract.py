"""What every distillation loss promises, whatever its formula."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from tests.contracts.loss_row import BATCH, each_shape
from tests.contracts.loss_table import LOSSES

each_loss = pytest.mark.parametrize("row", LOSSES, ids=str)
map_tensors = keras.tree.map_structure
own_classes = [
    member
    for name, member in inspect.getmembers(losses, inspect.isclass)
    if issubclass(member, losses.DistillationLoss)
    and member is not losses.DistillationLoss
]


# Compiling takes seconds: once for each class and rank of its inputs.
COMPILED = {(row.loss, str(row.student_shape or row.shape)): row for row in LOSSES}
TRACED = [pytest.param(row, False, id=f"unknown batch-{row}") for row in LOSSES]
TRACED += [pytest.param(row, True, id=f"jit-{row}") for row in COMPILED.values()]


def values_of(row, teacher, student, examples=slice(None), **kwargs):
    loss = row.make(reduction=None)
    return loss(row.targets(teacher, examples), student, **kwargs).numpy()


def gradient_of(row, teacher, student, **kwargs):
    """The sum over the batch, and its gradient by the student."""
    student = map_tensors(tf.convert_to_tensor, student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = row.make(reduction="sum")(row.targets(teacher), student, **kwargs)
    gradient = tape.gradient(value, student, unconnected_gradients="zero")
    return float(value), map_tensors(
        lambda g: tf.convert_to_tensor(g).numpy(), gradient
    )


def norm(x):
    return np.sqrt(sum(np.sum(np.square(part)) for part in keras.tree.flatten(x)))


def signs(x, size):
    return map_tensors(lambda part: (size * np.sign(part)).astype("float32"), x)


@pytest.mark.parametrize("loss", own_classes)
def test_every_loss_has_its_row(loss):
    own = [row for row in LOSSES if row.loss is loss]
    assert own, f"enter {loss.__name__} in tests/contracts/rows/"
    if loss.takes_mask:
        assert any(row.positions for row in own), f"{loss.__name__} takes a mask"
    if loss.uses_labels:
        assert all(row.labels for row in own), f"{loss.__name__} uses labels"
    base = inspect.signature(losses.DistillationLoss).parameters
    for name, parameter in inspect.signature(loss).parameters.items():
        if name not in base and parameter.kind is not parameter.VAR_KEYWORD:
            given = [row.arguments.get(name, parameter.default) for row in own]
            assert any(value != parameter.default for value in given), (
                f"no row of {loss.__name__} gives `{name}` another value"
            )


@each_loss
def test_a_loss_says_whether_it_looks_at_other_examples(row):
    """Several replicas then gather the batch; the rows without are tested below."""
    across = row.make().looks_across
    assert across or not row.looks_around
    own = [other for other in LOSSES if other.loss is row.loss]
    assert not across or any(other.looks_around for other in own), (
        "a needless gathering"
    )


@each_loss
def test_one_value_per_example(row):
    values = values_of(row, *row.sample())
    assert values.shape == (BATCH,)
    assert values.dtype == "float32"


@each_loss
def test_an_example_does_not_depend_on_its_batch(row):
    if row.looks_around:
        pytest.skip("its value is one of the whole batch")
    teacher, student = row.sample()
    alone = map_tensors(lambda x: x[1:2], (teacher, student))
    np.testing.assert_allclose(
        values_of(row, *alone, examples=slice(1, 2)),
        values_of(row, teacher, student)[1:2],
        rtol=1e-5,
    )


@each_loss
def test_permuting_the_batch_permutes_the_values(row):
    if row.order_matters:
        pytest.skip("an example's value depends on its place")
    order = [2, 0, 3, 1]
    teacher, student = row.sample()
    permuted = map_tensors(lambda x: x[order], (teacher, student))
    np.testing.assert_allclose(
        values_of(row, *permuted, examples=order),
        values_of(row, teacher, student)[order],
        rtol=1e-4,
    )


@each_loss
def test_nothing_is_better_than_equality(row):
    if row.minimum is None:
        pytest.skip("no known minimum")
    teacher, student = row.sample()
    best = row.best(teacher) if row.best else teacher
    at_equality = values_of(row, teacher, best)
    np.testing.assert_allclose(at_equality, row.minimum, atol=1e-5)
    assert np.all(values_of(row, teacher, student) > row.minimum + 1e-3)
    assert norm(gradient_of(row, teacher, best)[1]) < 1e-4


@each_loss
def test_a_step_along_the_gradient_lowers_the_loss(row):
    teacher, student = row.sample()
    before, gradient = gradient_of(row, teacher, student)
    step = 1e-2 / norm(gradient)
    nearer = map_tensors(lambda x, g: x - step * g, student, gradient)
    after, _ = gradient_of(row, teacher, nearer)
    assert after < before - 1e-5


@each_loss
def test_no_gradient_reaches_the_teacher(row):
    if row.loss.trains_teacher_side:
        pytest.skip("a layer over the teacher's features learns from it")
    teacher, student = map_tensors(tf.convert_to_tensor, row.sample())
    own = [x for x in keras.tree.flatten(teacher) if x.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch((own, student))
        value = row.make()(row.targets(teacher), student)
    assert all(g is None for g in tape.gradient(value, own))


@each_loss
@pytest.mark.parametrize("size", [80.0, 1e4])
def test_large_and_opposed_inputs_stay_finite(row, size):
    teacher = row.changed(lambda x: signs(x, size), row.sample()[0])
    for student in (signs(row.sample(seed=1)[1], size), signs(row.sample()[1], size)):
        value, gradient = gradient_of(row, teacher, student)
        assert np.isfinite(value)
        assert np.isfinite(norm(gradient))
    if not row.student_shape and not row.targets_of:
        opposed = map_tensors(lambda x: -x, teacher)
        value, gradient = gradient_of(row, teacher, opposed)
        assert np.isfinite(value) and np.isfinite(norm(gradient))


@each_loss
@pytest.mark.parametrize("constant", [0.0, 1.5])
@pytest.mark.parametrize("flat", ["teacher", "student", "both"])
def test_flat_features_have_a_finite_gradient(row, flat, constant):
    teacher, student = row.sample()
    flatten = lambda x: np.full_like(x, constant)  # noqa: E731
    teacher = row.changed(flatten, teacher) if flat != "student" else teacher
    student = map_tensors(flatten, student) if flat != "teacher" else student
    value, gradient = gradient_of(row, teacher, student)
    assert np.isfinite(value)
    # A larger one would overflow on its way into a student of half precision.
    assert norm(gradient) < 1e4


@each_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(row, dtype):
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    teacher, student = row.sample()
    # Squares of 300 and more are out of float16's range.
    narrow = lambda x: keras.ops.cast(300.0 * x, dtype)  # noqa: E731
    rounded = row.changed(narrow, teacher), map_tensors(narrow, student)
    widened = map_tensors(lambda x: keras.ops.cast(x, "float32"), rounded)
    values = values_of(row, *rounded)
    assert values.dtype == "float32"
    assert np.all(np.isfinite(values))
    np.testing.assert_allclose(values, values_of(row, *widened), rtol=1e-6)


@pytest.mark.parametrize("row, jit", TRACED)
def test_a_traced_step_equals_the_eager_one(row, jit):
    loss, (teacher, student) = row.make(reduction="sum"), row.sample()

    def step(teacher, student):
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = loss(row.targets(teacher), student)
        return value, tape.gradient(value, student, unconnected_gradients="zero")

    spec = map_tensors(
        lambda x: tf.TensorSpec((BATCH if jit else None, *x.shape[1:]), x.dtype),
        (teacher, student),
    )
    traced = tf.function(step, spec, autograph=False, jit_compile=jit)
    value, gradient = traced(*map_tensors(tf.convert_to_tensor, (teacher, student)))
    expected_value, expected = gradient_of(row, teacher, student)
    np.testing.assert_allclose(value, expected_value, rtol=1e-4)
    map_tensors(
        lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-3, atol=1e-5),
        gradient,
        expected,
    )


@each_loss
def test_reductions_are_those_of_keras(row):
    inputs = row.sample()
    values = values_of(row, *inputs)
    targets = row.targets(inputs[0]), inputs[1]
    np.testing.assert_allclose(row.make()(*targets), values.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        row.make(reduction="sum")(*targets), values.sum(), rtol=1e-5
    )


@each_loss
def test_sample_weights_scale_the_values(row):
    inputs = row.sample()
    weights = np.array([0.0, 0.5, 1.0, 3.0], "float32")
    expected = weights * values_of(row, *inputs)
    weighted = values_of(row, *inputs, sample_weight=weights)
    np.testing.assert_allclose(weighted, expected, rtol=1e-5)
    targets = row.targets(inputs[0]), inputs[1]
    reduced = row.make()(*targets, sample_weight=weights)
    np.testing.assert_allclose(reduced, expected.mean(), rtol=1e-5)
    assert row.make()(*targets, sample_weight=np.zeros(BATCH)) == 0.0


@each_loss
def test_a_loss_comes_back_from_its_config(row):
    loss = row.make(name="own_name", reduction="sum", dtype="float64")
    stored = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(stored))
    assert type(again) is row.loss
    assert again.get_config() == loss.get_config()
    assert (again.name, again.reduction, again.dtype) == ("own_name", "sum", "float64")
    teacher, student = row.sample()
    targets = row.targets(teacher)
    assert again(targets, student) == loss(targets, student)
    assert set(row.arguments) <= set(loss.get_config())
    config = loss.get_config()
    assert row.loss.from_config(config).name == row.loss.from_config(config).name


@each_loss
def test_a_student_of_another_shape_is_refused(row):
    teacher, student = row.sample()
    if row.wrong is not None:
        draw = lambda shape: np.zeros((BATCH, *shape), "float32")  # noqa: E731
        wrong = [each_shape(draw, shape) for shape in row.wrong]
    elif row.loss.compares == "relations":
        wrong = [map_tensors(lambda x: x[:-1], student)]
    else:
        # One that would be broadcast, one longer, one without the last axis.
        changes = (lambda x: x[..., :1], _longer, lambda x: x[..., 0])
        wrong = [map_tensors(change, student) for change in changes]
    for other in wrong:
        with pytest.raises(ValueError) as refusal:
            row.make()(row.targets(teacher), other)
        for side in (teacher, other):
            shapes = {str(tuple(x.shape)) for x in keras.tree.flatten(side)}
            assert any(shape in str(refusal.value) for shape in shapes), shapes


def _longer(x):
    return np.concatenate([x, x[..., :1]], axis=-1)
