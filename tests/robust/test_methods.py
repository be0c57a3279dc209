"""ARD and RSLAD: their losses by hand, and what they are for."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import DistillationTerm, Distiller, SelfTeacher, methods
from keras_kd.datasets import load_dataset
from keras_kd.losses import KLDistillation
from keras_kd.robust import PGD, robust_accuracy
from tests.models import cross_entropy, one_step
from tests.robust.linear import B, W, X, Y, linear, log_softmax

STUDENT = np.linspace(-1, 1, 12).reshape(4, 3)


def kl(teacher, student, t=1.0):
    log_p, log_q = log_softmax(teacher / t), log_softmax(student / t)
    return t**2 * np.mean((np.exp(log_p) * (log_p - log_q)).sum(-1))


def attacked(target, epsilon=0.1, steps=3):
    """The attack on the linear student by hand."""
    x, step = X.copy(), 2.5 * epsilon / steps
    for _ in range(steps):
        rise = (np.exp(log_softmax(x @ STUDENT)) - target) @ STUDENT.T
        x = np.clip(x + step * np.sign(rise), X - epsilon, X + epsilon).clip(0, 1)
    return x


def logs_of(terms, objective):
    student = linear("student")
    student.layers[-1].set_weights([STUDENT, np.zeros(3)])
    attack = PGD(0.1, 3, objective=objective, random_start=False)
    views = {"adversarial": attack}
    model = Distiller(linear("teacher"), student, terms, 0.0, views=views)
    model.compile(keras.optimizers.SGD(0.0))
    return one_step(model, X.astype("float32"), Y)


def test_ard_by_hand():
    logs = logs_of(methods.ard(5.0, weight=0.5), "labels")
    value = kl(X @ W + B, attacked(np.eye(3)[Y]) @ STUDENT, 5.0)
    assert logs["ard"] == pytest.approx(value, rel=1e-4)
    assert logs["loss"] == pytest.approx(0.5 * value, rel=1e-4)
    (term,) = methods.ard()
    assert float(term.loss.temperature) == 30.0
    assert float(term.weight) == 1.0


def test_rslad_by_hand():
    logs = logs_of(methods.rslad(natural=0.25, weight=2.0), "teacher")
    teacher = X @ W + B
    moved = attacked(np.exp(log_softmax(teacher)))
    parts = kl(teacher, moved @ STUDENT), kl(teacher, X @ STUDENT)
    assert logs["rslad_adversarial"] == pytest.approx(parts[0], rel=1e-4)
    assert logs["rslad_natural"] == pytest.approx(parts[1], rel=1e-4)
    expected = 2.0 * (0.75 * parts[0] + 0.25 * parts[1])
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    weights = [float(term.weight) for term in methods.rslad()]
    np.testing.assert_allclose(weights, [5 / 6, 1 / 6], rtol=1e-6)


def test_a_view_of_another_name():
    terms = [*methods.ard(view="hit"), *methods.rslad(view="hit")]
    assert [term.student for term in terms] == ["hit/output", "hit/output", "output"]


def test_refusals():
    with pytest.raises(ValueError, match="`natural` must be from 0 to 1"):
        methods.rslad(natural=1.5)
    with pytest.raises(ValueError, match="`weight` must be non-negative"):
        methods.rslad(weight=-1.0)
    with pytest.raises(ValueError, match="'adversarial/output' not found"):
        Distiller(linear("t"), linear("s"), methods.ard(), 0.0)


def network(width, name):
    inputs = keras.Input((8, 8, 1))
    x = layers.Flatten()(inputs)
    for _ in range(2):
        x = layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(10)(x), name=name)


def test_a_robust_teacher_makes_a_robust_student():
    data = load_dataset("digits")
    attack = {"epsilon": 0.15, "steps": 3}

    def trained(model, loss):
        model.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
        model.fit(data.x_train[:700], data.y_train[:700], 64, epochs=10, verbose=0)

    teacher = network(96, "teacher")
    term = DistillationTerm(KLDistillation(1.0), "adversarial/output", weight=6.0)
    views = {"adversarial": PGD(**attack, objective="student")}
    trained(Distiller(SelfTeacher(), teacher, [term], views=views), cross_entropy())
    shares = {}
    for name, terms, objective in (
        ("hinton", methods.hinton(weight=1.0), None),
        ("rslad", methods.rslad(), "teacher"),
    ):
        keras.utils.set_random_seed(1)
        student = network(32, "student")
        views = objective and {"adversarial": PGD(**attack, objective=objective)}
        trained(Distiller(teacher, student, terms, 0.0, views=views), None)
        found = data.x_test[:200], data.y_test[:200]
        shares[name] = robust_accuracy(student, *found, PGD(0.15, 10))
    assert shares["rslad"] > shares["hinton"] + 0.2, shares
