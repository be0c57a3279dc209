"""Over very many classes: slice by slice, the same values and gradients."""

import numpy as np
import pytest
import tensorflow as tf

from keras_kd import losses

RNG = np.random.default_rng(0)
CLASSES = 21  # three slices of six, and one of three
LABELLED = (losses.decoupled_kd, losses.weighted_soft_label)
LOSSES = (
    *LABELLED,
    losses.dist,
    losses.class_correlation,
    losses.batch_correlation,
)
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def inputs(*positions, scale=3.0):
    pair = RNG.normal(0.0, scale, (2, *positions, CLASSES))
    return [*pair, RNG.integers(0, CLASSES, positions)]


def results(loss, teacher, student, labels, temperature=2.0, mask=None):
    """The values, and the gradients of a sum of theirs by student and temperature."""
    weights = np.linspace(1.0, 2.0, len(teacher))
    student, temperature = tf.constant(student), tf.constant(temperature, tf.float64)
    labels = (labels,) if loss in LABELLED else ()
    with tf.GradientTape() as tape:
        tape.watch((student, temperature))
        values = loss(teacher, student, *labels, temperature=temperature, mask=mask)
        total = tf.reduce_sum(tf.cast(values, tf.float64) * weights)
    return values.numpy(), *(
        g.numpy() for g in tape.gradient(total, [student, temperature])
    )


@each_loss
@pytest.mark.parametrize("masked", [False, True], ids=["vectors", "padded sequences"])
def test_slices_make_no_difference(loss, masked, large):
    given = inputs(2, 3) if masked else inputs(5)
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool) if masked else None
    expected = results(loss, *given, mask=mask)
    large()
    for value, wanted in zip(results(loss, *given, mask=mask), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-8, atol=1e-10)


@each_loss
def test_slices_in_a_traced_graph(loss, large):
    given = [x.astype("float32") for x in inputs(4)[:2]]
    labels = RNG.integers(0, CLASSES, 4)
    arguments = (labels,) if loss in LABELLED else ()
    expected = loss(*given, *arguments)
    large()

    @tf.function(input_signature=[tf.TensorSpec((None, CLASSES))] * 2, autograph=False)
    def step(teacher, student):
        with tf.GradientTape() as tape:
            tape.watch(student)
            values = loss(teacher, student, *arguments)
        return values, tape.gradient(values, student)

    values, gradient = step(*given)
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert np.isfinite(gradient).all() and np.abs(gradient).sum() > 0.0


@each_loss
def test_extreme_logits_stay_finite_in_slices(loss, large):
    large()
    teacher, student, labels = inputs(4)
    for scale in (0.0, 1e4):
        pair = [(scale * np.sign(z)).astype("float32") for z in (teacher, student)]
        for other in (pair[1], pair[0], -pair[0]):
            values, gradient, _ = results(loss, pair[0], other, labels)
            assert np.isfinite(values).all() and np.isfinite(gradient).all()


@each_loss
def test_what_stands_at_padding_does_not_matter_in_slices(loss, large):
    large()
    teacher, student, labels = inputs(2, 3)
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
    expected = results(loss, teacher, student, labels, mask=mask)[0]
    teacher[~mask], student[~mask], labels[~mask] = np.nan, np.inf, -100
    values = results(loss, teacher, student, labels, mask=mask)[0]
    np.testing.assert_array_equal(values, expected)


def test_a_class_ruled_out_by_both_adds_nothing_in_slices(large):
    teacher, student, labels = inputs(4)
    labels[:] = 3
    large()
    for loss in LABELLED:
        expected = results(loss, teacher[:, :-1], student[:, :-1], labels)[0]
        ruled_out = [z.copy() for z in (teacher, student)]
        for z in ruled_out:
            z[:, -1] = -np.inf
        values, gradient, _ = results(loss, *ruled_out, labels)
        np.testing.assert_allclose(values, expected, rtol=1e-9)
        assert np.isfinite(gradient).all()
