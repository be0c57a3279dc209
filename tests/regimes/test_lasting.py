"""A student that learns new classes: by hand, and on digits that come later."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Distiller, EnsembleTeacher, methods
from keras_kd.datasets import load_dataset
from keras_kd.regimes import SeparatedSoftmax, widened
from tests.models import cnn, cross_entropy, one_step


def sequential(name):
    inside = [layers.Dense(7, activation="relu"), layers.Dense(4, name="head")]
    return keras.Sequential([keras.Input((6,)), *inside], name=name)


def nested():
    """The head inside of a backbone, and what only hands its output on."""
    inputs = keras.Input((6,))
    x = sequential("backbone")(inputs)
    x = layers.Activation("linear", dtype="float32")(x)
    return keras.Model(inputs, layers.Identity()(x), name="nested")


def convolutional():
    inputs = keras.Input((5, 6))
    x = layers.BatchNormalization()(layers.Conv1D(3, 2, padding="same")(inputs))
    return keras.Model(inputs, layers.Conv1D(4, 1, use_bias=False)(x), name="tags")


@pytest.mark.parametrize(
    "make", [lambda: sequential("plain"), nested, convolutional, lambda: cnn("c")]
)
def test_the_old_classes_are_answered_as_before(make):
    old = make()
    known = old.output_shape[-1]
    x = np.random.default_rng(0).normal(size=(9, *old.input_shape[1:]))
    before = np.asarray(old(x))
    new = widened(old, known + 3)
    after = np.asarray(new(x))
    assert after.shape == (*before.shape[:-1], known + 3)
    np.testing.assert_allclose(after[..., :known], before, atol=1e-6)
    assert np.std(after[..., known:]) > 1e-3
    assert new.name == old.name and widened(old, 9, "wider").name == "wider"
    for weight in new.weights:  # its own
        weight.assign(weight + 1.0)
    np.testing.assert_array_equal(old(x), before)


def with_softmax():
    return cnn("sure", activation="softmax")


def two_heads():
    inputs = keras.Input((4,))
    outputs = layers.Dense(2)(inputs), layers.Dense(3)(inputs)
    return keras.Model(inputs, outputs, name="two")


def pooled():
    inputs = keras.Input((4, 3))
    return keras.Model(inputs, layers.GlobalMaxPooling1D(name="top")(inputs), name="p")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(x)


def subclassed():
    model = Subclassed()
    model(np.ones((1, 3)))
    return model


@pytest.mark.parametrize(
    "make, classes, words",
    [
        (with_softmax, 9, "without a softmax. Received: 'sure', which ends in 'head'"),
        (two_heads, 9, "must have one output. Received: 'two', which has 2."),
        (pooled, 9, "'p', which ends in 'top', a GlobalMaxPooling1D."),
        (subclassed, 9, "Received: 'own', which is subclassed"),
        (lambda: cnn("c"), 5, "must be more than the 5 of 'c'. Received: classes=5."),
        (lambda: cnn("c"), 0, "`classes` must be a positive integer"),
    ],
)
def test_refusals(make, classes, words):
    with pytest.raises(ValueError, match=words):
        widened(make(), classes)


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def test_separated_softmax_by_hand():
    z = np.random.default_rng(0).normal(size=(6, 5)) * 3
    y = np.array([0, 1, 2, 3, 4, 1])
    expected = [
        -log_softmax(row[:2])[k] if k < 2 else -log_softmax(row[2:])[k - 2]
        for row, k in zip(z, y, strict=True)
    ]
    loss = SeparatedSoftmax(2, reduction=None)
    for labels in (y, y[:, None], np.eye(5)[y]):
        np.testing.assert_allclose(loss(labels, z), expected, rtol=1e-5)
    again = SeparatedSoftmax.from_config(loss.get_config())
    assert again.old_classes == 2
    np.testing.assert_allclose(again(y, z), expected, rtol=1e-5)
    assert float(SeparatedSoftmax(2)(y, z)) == pytest.approx(np.mean(expected))


def test_a_class_without_rivals_has_no_loss_and_a_finite_gradient():
    import tensorflow as tf

    z = tf.Variable([[3.0, 1.0, -2.0]])
    with tf.GradientTape() as tape:
        value = SeparatedSoftmax(2)([2], z)
    assert float(value) == 0.0
    np.testing.assert_array_equal(tape.gradient(value, z), np.zeros((1, 3)))


def test_separated_softmax_refuses_fewer_classes():
    with pytest.raises(ValueError, match="more than old_classes=5 logits"):
        SeparatedSoftmax(5)([1], np.zeros((1, 5), "float32"))
    with pytest.raises(ValueError, match="`old_classes` must be a positive integer"):
        SeparatedSoftmax(0)


@pytest.mark.parametrize("classes", [5, [3, 0, 6, 1, 2]])
def test_the_term_is_kl_over_the_old_classes(images, classes):
    x, y = images
    old, student = cnn("old", seed=1), cnn("new", classes=7)
    terms = methods.without_forgetting(classes, temperature=3.0, weight=0.5)
    model = Distiller(old, student, terms)
    model.compile(keras.optimizers.SGD(0.0), cross_entropy())
    logs = one_step(model, x, y)
    indices = range(5) if classes == 5 else classes
    p = log_softmax(np.asarray(old(x), "float64") / 3)
    # One batch of statistics, as the student's own pass has it.
    z = np.asarray(cnn("new", classes=7)(x, training=True), "float64")
    q = log_softmax(z[:, list(indices)] / 3)
    expected = 9 * np.mean((np.exp(p) * (p - q)).sum(-1))
    assert logs["without_forgetting"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "classes, words",
    [
        (0, "`old_classes` must be a positive integer"),
        ([1, 1], "must be a list of classes, 0 or above and each once"),
        ([], "must be a list of classes"),
        ([-1], r"Received: old_classes=\[-1\]"),
    ],
)
def test_the_method_refuses(classes, words):
    with pytest.raises(ValueError, match=words):
        methods.without_forgetting(classes)


def test_a_class_that_the_student_has_not_is_refused():
    with pytest.raises(ValueError, match="more than 7 classes"):
        Distiller(cnn("o"), cnn("n"), methods.without_forgetting([7, 1, 2, 3, 4]))


def test_the_old_student_is_a_second_teacher(images):
    """Beside a teacher that knows all the classes."""
    old, teacher = cnn("old", seed=1), cnn("teacher", classes=7, seed=2)
    both = EnsembleTeacher(
        {"old": old, "teacher": teacher}, combine=lambda outputs: outputs[1]
    )
    terms = methods.without_forgetting(5, teacher="old/output") + methods.hinton()
    model = Distiller(both, widened(old, 7), terms)
    model.compile("adam", cross_entropy())
    assert {"without_forgetting", "kl_distillation"} <= set(one_step(model, *images))


def test_old_digits_are_remembered_while_new_ones_are_learned():
    data = load_dataset("digits")
    x, y = data.x_train, data.y_train
    first = y < 7

    def network():
        inputs = keras.Input((8, 8, 1))
        hidden = layers.Dense(32, activation="relu")(layers.Flatten()(inputs))
        return keras.Model(inputs, layers.Dense(7)(hidden), name="student")

    def trained(model, rows, loss, epochs):
        model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=False)
        model.fit(x[rows], y[rows], 64, epochs=epochs, verbose=0)

    old = network()
    trained(old, first, cross_entropy(), 8)
    found = {}
    for name, loss, terms in (
        ("labels", cross_entropy(), None),
        ("separated", SeparatedSoftmax(7), None),
        ("both", SeparatedSoftmax(7), methods.without_forgetting(7)),
    ):
        keras.utils.set_random_seed(1)
        student = widened(old, 10)
        model = Distiller(old, student, terms) if terms else student
        trained(model, ~first, loss, 8)
        right = np.argmax(student(data.x_test), -1) == data.y_test
        of_old = data.y_test < 7
        found[name] = right[of_old].mean(), right[~of_old].mean(), right.mean()
    assert found["both"][2] > found["separated"][2] + 0.03, found
    assert found["both"][2] > found["labels"][2] + 0.3, found
    assert min(found["both"]) > 0.7, found
