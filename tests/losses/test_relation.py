"""What losses over pairs and triples do not see, and where they are degenerate."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses
from keras_kd.losses import (
    correlation_congruence,
    probabilistic_transfer,
    rkd_angle,
    rkd_distance,
    similarity_preserving,
)

RNG = np.random.default_rng(0)
TEACHER = RNG.normal(size=(6, 5))
STUDENT = RNG.normal(size=(6, 5))
TURN = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
ALL = [
    rkd_distance,
    rkd_angle,
    similarity_preserving,
    correlation_congruence,
    probabilistic_transfer,
]
CHANGES = {
    "turned": lambda x: x @ TURN,
    "scaled": lambda x: 3.0 * x,
    "moved": lambda x: x + 2.0,
    "wider": lambda x: np.concatenate([x, np.zeros_like(x)], axis=1),
    "mirrored": lambda x: -x,
    "stretched row by row": lambda x: x * np.arange(1.0, 7.0)[:, None],
}
OF_DISTANCES = {"turned", "scaled", "moved", "wider", "mirrored"}
OF_PRODUCTS = {"turned", "scaled", "wider", "mirrored"}
BLIND_TO = {
    rkd_distance: OF_DISTANCES,
    rkd_angle: OF_DISTANCES,
    similarity_preserving: OF_PRODUCTS,
    correlation_congruence: OF_PRODUCTS | {"stretched row by row"},
    probabilistic_transfer: OF_PRODUCTS | {"stretched row by row"},
}
each = pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)


def gradient(loss, teacher, student):
    student = tf.constant(student, "float32")
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = tf.reduce_sum(loss(np.float32(teacher), student))
    return float(value), tape.gradient(value, student).numpy()


@each
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_relation_is_blind_to(loss, change):
    before, after = loss(TEACHER, STUDENT), loss(TEACHER, CHANGES[change](STUDENT))
    blind = change in BLIND_TO[loss]
    assert np.allclose(before, after, rtol=1e-5) == blind
    at_equality = np.abs(loss(TEACHER, CHANGES[change](TEACHER))).max()
    assert (at_equality < 1e-6) == blind


@each
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("content", ["equal rows", "zeros", "one odd row"])
def test_degenerate_batches_have_a_finite_value_and_gradient(loss, count, content):
    row = np.full((count, 5), 0.3) if content != "zeros" else np.zeros((count, 5))
    if content == "one odd row":
        row[0] = 1.0
    for teacher, student in (
        (TEACHER[:count], row),
        (row, STUDENT[:count]),
        (row, row),
    ):
        value, slope = gradient(loss, teacher, student)
        assert math.isfinite(value)
        assert np.linalg.norm(slope) < 1e4
    assert abs(gradient(loss, row, row)[0]) < 1e-6


@each
def test_equal_examples_among_others_are_no_trouble(loss):
    twins = np.concatenate([STUDENT[:4], STUDENT[:2]]) + 50.0
    value, slope = gradient(loss, TEACHER, twins)
    assert math.isfinite(value)
    assert np.linalg.norm(slope) < 1e4


@pytest.mark.parametrize("loss", [rkd_distance, rkd_angle])
def test_far_from_the_origin_nothing_is_lost(loss):
    """‖a‖² + ‖b‖² − 2 a·b of float32 numbers around 1000 has no digits left."""
    far = (STUDENT + 1000.0).astype("float32")
    near = far - np.float32(1000.0)
    teacher = TEACHER.astype("float32")
    np.testing.assert_allclose(loss(teacher, far), loss(teacher, near), rtol=1e-4)


def test_angles_have_the_gradient_of_their_formula():
    """It is written by hand, so that no (N, N, N) tensor has to be kept."""

    def plain(student):
        def cosines(x):
            arms = x[None] - x[:, None]
            norms = tf.sqrt(tf.reduce_sum(arms**2, -1, keepdims=True) + 1e-30)
            return tf.einsum("ijd,ikd->ijk", arms / norms, arms / norms)

        gaps = tf.abs(cosines(student) - cosines(tf.constant(TEACHER)))
        values = tf.where(gaps < 1.0, 0.5 * gaps**2, gaps - 0.5)
        return tf.reduce_mean(values, axis=(1, 2))

    def slope_of(function):
        student = tf.constant(STUDENT)
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = tf.reduce_sum(weights * function(student))
        return tape.gradient(value, student)

    weights = RNG.normal(size=6)
    ours = slope_of(lambda student: rkd_angle(TEACHER, student))
    np.testing.assert_allclose(ours, slope_of(plain), rtol=1e-9, atol=1e-12)


def test_angles_take_memory_for_pairs_and_not_for_triples():
    def step(student):
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = tf.reduce_sum(rkd_angle(tf.zeros((40, 3)), student))
        return tape.gradient(value, student)

    graph = (
        tf.function(step, autograph=False)
        .get_concrete_function(tf.TensorSpec((40, 3)))
        .graph
    )
    loops = [function.graph for function in graph._functions.values()]
    assert loops
    sizes = {
        tensor.shape.num_elements() or 0
        for part in (graph, *loops)
        for operation in part.get_operations()
        for tensor in operation.outputs
    }
    assert 40 * 40 in sizes
    assert max(sizes) < 40**3


def test_similarities_are_divided_by_the_l2_norm_of_their_rows():
    """Divided by their sums, rows of both signs would blow up."""
    teacher = np.array([[1.0, 0.0], [-1.0, 0.0]])
    student = np.array([[1.0, 0.0], [0.0, 1.0]])
    root = math.sqrt(0.5)
    first = ((root - 1.0) ** 2 + (-root) ** 2) / 2.0
    values = similarity_preserving(teacher, student)
    np.testing.assert_allclose(values, [first, first], rtol=1e-6)


@pytest.mark.parametrize("loss", [similarity_preserving, correlation_congruence])
def test_equal_similarities_are_the_best_ones(loss):
    """Added with the wrong sign they would score worst."""
    worse = [np.mean(loss(TEACHER, TEACHER + step * STUDENT)) for step in (0.0, 0.3, 1)]
    assert worse[0] == 0.0 < worse[1] < worse[2]


def test_correlation_is_squared():
    """A known port forgets the square: the sign of the gaps would matter."""
    values = correlation_congruence(TEACHER, STUDENT, kernel="bilinear")
    np.testing.assert_allclose(
        np.mean(values),
        np.mean(correlation_congruence(STUDENT, TEACHER, kernel="bilinear")),
    )
    assert np.all(np.asarray(values) > 0.0)


def test_the_series_tends_to_the_gaussian_kernel():
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (TEACHER, STUDENT)]
    kernels = [
        np.exp(-0.4 * np.square(x[None] - x[:, None]).sum(axis=-1)) for x in unit
    ]
    expected = np.mean(np.square(kernels[0] - kernels[1]), axis=1)
    values = correlation_congruence(TEACHER, STUDENT, gamma=0.4, order=12)
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_a_part_of_weight_zero_is_not_computed():
    one = losses.RelationalKD(distance=1.0, angle=0.0, reduction=None)
    np.testing.assert_allclose(
        one(TEACHER, STUDENT), rkd_distance(TEACHER, STUDENT), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"distance": 0.0, "angle": 0.0}, "`distance` or `angle` must be positive"),
        ({"angle": -1.0}, "`angle` must be non-negative"),
    ],
)
def test_weights_that_make_no_sense_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        losses.RelationalKD(**arguments)


def test_single_numbers_have_no_relations():
    with pytest.raises(ValueError, match=r"teacher \(4,\), student \(4, 2\)"):
        similarity_preserving(np.zeros(4), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="Did you mean 'bilinear'"):
        correlation_congruence(TEACHER, STUDENT, kernel="bilinea")
