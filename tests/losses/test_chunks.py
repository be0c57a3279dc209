"""Many classes: slice by slice, the same values and gradients, in less memory."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from keras_kd.losses.logit import chunks

RNG = np.random.default_rng(0)
CLASSES = 21  # three slices of six, and one of three
MASK = np.array([[1, 1, 0], [1, 0, 0]], bool)
SOFTENED = {
    "kl": losses.KLDistillation,
    "standardized": lambda **kwargs: losses.KLDistillation(standardize=True, **kwargs),
    "reverse": losses.ReverseKL,
    "symmetric": lambda **kwargs: losses.SymmetricKL(balance=0.3, **kwargs),
    "jsd": lambda **kwargs: losses.GeneralizedJSD(beta=0.2, **kwargs),
    "jsd 0": lambda **kwargs: losses.GeneralizedJSD(beta=0.0, **kwargs),
    "jsd 1": lambda **kwargs: losses.GeneralizedJSD(beta=1.0, **kwargs),
}
OTHERS = {
    "mse": losses.LogitMSE,
    "hinge": lambda **kwargs: losses.HingeDistillation(0.7, 0.4, **kwargs),
    "top k": lambda **kwargs: losses.TopKDistillation(k=3, **kwargs),
    "top all": lambda **kwargs: losses.TopKDistillation(k=CLASSES, **kwargs),
}
each_loss = pytest.mark.parametrize("name", [*SOFTENED, *OTHERS])


def pair(*positions, scale=3.0):
    return RNG.normal(0.0, scale, (2, *positions, CLASSES))


def results(name, teacher, student, mask=None, dtype="float64"):
    """The values, and gradients of a weighted sum, by student and temperature."""
    loss = {**SOFTENED, **OTHERS}[name](reduction=None, dtype=dtype)
    weights = np.linspace(1.0, 2.0, len(teacher))
    student = tf.constant(student, dtype)
    learned = {"temperature": tf.constant(2.0, dtype)} if name in SOFTENED else {}
    sources = [student, *learned.values()]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        values = loss(teacher, student, mask=mask, **learned)
        total = tf.reduce_sum(values * weights)
    return values.numpy(), *(g.numpy() for g in tape.gradient(total, sources))


@each_loss
@pytest.mark.parametrize("masked", [False, True], ids=["vectors", "padded sequences"])
def test_slices_make_no_difference(name, masked, large):
    given = pair(2, 3) if masked else pair(5)
    mask = MASK if masked else None
    expected = results(name, *given, mask=mask)
    large()
    for value, wanted in zip(results(name, *given, mask=mask), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-11)


@each_loss
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "jit"])
def test_slices_in_a_traced_graph(name, jit_compile, large):
    given = pair(4).astype("float32")
    expected = results(name, *given, dtype="float32")
    large()
    batch = 4 if jit_compile else None
    loss = {**SOFTENED, **OTHERS}[name](reduction=None)

    @tf.function(
        input_signature=[tf.TensorSpec((batch, CLASSES))] * 2,
        autograph=False,
        jit_compile=jit_compile,
    )
    def step(teacher, student):
        learned = {"temperature": tf.constant(2.0)} if name in SOFTENED else {}
        with tf.GradientTape() as tape:
            tape.watch(student)
            values = loss(teacher, student, **learned)
            total = tf.reduce_sum(values * tf.linspace(1.0, 2.0, 4))
        return values, tape.gradient(total, student)

    for value, wanted in zip(step(*given), expected[:2], strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=2e-5)


@each_loss
def test_extreme_logits_stay_finite_in_slices(name, large):
    large()
    teacher, student = np.sign(pair(4))
    for size in (0.0, 80.0, 1e4):
        for other in (student, teacher, -teacher):
            given = (np.float32(size) * teacher, np.float32(size) * other)
            for found in results(name, *given, dtype="float32"):
                assert np.isfinite(found).all()


@each_loss
def test_what_stands_at_padding_does_not_matter_in_slices(name, large):
    large()
    teacher, student = pair(2, 3)
    expected = results(name, teacher, student, mask=MASK)[0]
    teacher[~MASK], student[~MASK] = np.nan, np.inf
    values = results(name, teacher, student, mask=MASK)[0]
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("name", ["kl", "reverse", "symmetric", "jsd"])
@pytest.mark.parametrize("sliced", [False, True])
def test_a_class_ruled_out_by_both_adds_nothing(name, sliced, large):
    if sliced:
        large()
    given = pair(4)
    expected = results(name, *given[..., :-1])
    given[..., -1] = -np.inf
    values, slope, by_temperature = results(name, *given)
    np.testing.assert_allclose(values, expected[0], rtol=1e-9)
    np.testing.assert_allclose(slope[..., :-1], expected[1], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(by_temperature, expected[2], rtol=1e-7)


def test_many_classes_are_sliced_and_few_are_not():
    assert chunks.is_large(np.zeros((1, 128_000), "float32"))
    assert not chunks.is_large(np.zeros((1, 1000), "float32"))


# They hand a tensor on as it is.
PASSING = {"Placeholder", "StopGradient", "Identity", "IdentityN", "Reshape"} | {
    "BroadcastTo",
    "StatelessWhile",
    "While",
}


def steps_of_size(function, shape):
    """The names of a graph's operations that make a tensor of this shape."""
    graph = function.get_concrete_function(*[tf.TensorSpec(shape)] * 2).graph
    made = [op for op in graph.get_operations() if op.type not in PASSING]
    return [op.type for op in made if any(x.shape == shape for x in op.outputs)]


@pytest.mark.parametrize("name", [*SOFTENED, "mse", "hinge", "top k"])
def test_a_value_over_many_classes_makes_no_tensor_of_their_size(name):
    loss = {**SOFTENED, **OTHERS}[name]()
    shape = (8, 128_000)
    assert steps_of_size(tf.function(loss.__call__, autograph=False), shape) == []
    # Below the threshold it does.
    few = tf.function(loss.__call__, autograph=False)
    assert len(steps_of_size(few, (8, 1000))) >= 2
