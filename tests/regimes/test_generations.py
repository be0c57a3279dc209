"""Models taught by the one before, and a student taught by another look."""

import keras
import numpy as np
import pytest

from keras_kd import Distiller, SelfTeacher, methods
from keras_kd.regimes import born_again
from tests.models import cnn, one_step


def test_each_generation_is_taught_by_the_one_before(tmp_path):
    fitted, made = [], []

    def make(number):
        made.append(number)
        return cnn(f"student_{number}", seed=number)

    found = born_again(make, fitted.append, 3, folder=tmp_path)
    assert made == [1, 2, 3] and [m.name for m in found] == [
        "student_1",
        "student_2",
        "student_3",
    ]
    assert fitted[0] is found[0]
    for generation in (1, 2):
        distiller = fitted[generation]
        assert distiller.teacher.model is found[generation - 1]
        assert distiller.student is found[generation]
        (term,) = distiller.terms
        assert float(term.loss.temperature) == float(term.weight) == 1.0

    # Killed in the third generation, it goes on there.
    (tmp_path / "generation_3.keras").unlink()
    again = born_again(make, fitted.append, 3, folder=tmp_path)
    assert made == [1, 2, 3, 3] and len(fitted) == 4
    assert fitted[3].teacher.model is again[1]
    for one, other in zip(found[1].get_weights(), again[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_teacher_and_terms_of_ones_own():
    fitted, teacher = [], cnn("teacher", 8)

    def terms(teacher, student):
        return methods.fitnets({"body": "body"}, weight=2.0)

    def make(number):
        return cnn(f"student_{number}")

    born_again(make, fitted.append, 2, terms, 0.5, teacher)
    assert fitted[0].teacher.model is teacher
    assert [float(d.hard_loss_weight) for d in fitted] == [0.5, 0.5]
    assert fitted[1].terms[0].name == "hint_body"


def test_refusals():
    same = cnn("same")
    with pytest.raises(ValueError, match="a new model each time.*'same' of an earlier"):
        born_again(lambda number: same, lambda model: None, 2)
    with pytest.raises(TypeError, match="must return a keras.Model.*generation 1"):
        born_again(lambda number: None, lambda model: None)
    with pytest.raises(ValueError, match="`generations` must be a positive integer"):
        born_again(lambda number: same, lambda model: None, 0)


def test_two_views_agree_without_a_label(images):
    """Both directions in float64; what is trained comes closer."""
    student, x = cnn("s"), images[0][:32]
    student.get_layer("bn").trainable = False
    views = {"dark": keras.layers.Rescaling(0.5), "odd": keras.layers.Rescaling(-1.0)}
    distiller = Distiller(
        SelfTeacher(),
        student,
        methods.agreement("dark", "odd", temperature=2.0),
        hard_loss_weight=0,
        views=views,
    )
    distiller.compile(keras.optimizers.SGD(0.5), run_eagerly=True)

    def log_p(x):
        z = np.asarray(student(x), "float64") / 2
        return z - np.log(np.exp(z).sum(-1, keepdims=True))

    p, q = log_p(0.5 * x), log_p(-x)
    logs = one_step(distiller, x)
    there = 4 * (np.exp(q) * (q - p)).sum(-1).mean()
    back = 4 * (np.exp(p) * (p - q)).sum(-1).mean()
    assert logs["agreement"] == pytest.approx(there, rel=1e-3)
    assert logs["agreement_back"] == pytest.approx(back, rel=1e-3)
    for _ in range(5):
        later = one_step(distiller, x)
    assert later["loss"] < 0.9 * logs["loss"]
