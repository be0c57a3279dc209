"""Published recipes give the published terms."""

import numpy as np
import pytest

from keras_kd import Distiller, methods
from keras_kd.layers import DenseAdapter, FeatureAdapter
from tests.models import cnn, cross_entropy


def test_hinton():
    (term,) = methods.hinton()
    assert float(term.weight) == pytest.approx(0.9)
    assert float(term.loss.temperature) == 4.0
    (term,) = methods.hinton(temperature=2.0, weight=9.0, standardize=True)
    assert (float(term.weight), term.loss.standardize) == (9.0, True)


def test_fitnets():
    terms = methods.fitnets({"body": "body", "gap": "gap"})
    assert [term.name for term in terms] == ["hint_body", "hint_gap"]
    assert [float(term.weight) for term in terms] == [100.0, 100.0]
    Distiller(cnn("t", 8, seed=1), cnn("s"), terms)
    regressor, projection = (term.adapter for term in terms)
    assert isinstance(regressor, FeatureAdapter)
    assert (regressor.filters, regressor.normalize) == (8, True)
    assert regressor.activation.__name__ == "relu"
    assert isinstance(projection, DenseAdapter)


@pytest.mark.parametrize(
    "terms",
    [
        lambda: methods.hinton(),
        lambda: methods.hinton(2.0, 9.0, standardize=True),
        lambda: methods.fitnets({"body": "body"}, weight=1.0, metric="cosine"),
        lambda: methods.hinton() + methods.fitnets({"body": "body"}, weight=1.0),
    ],
)
def test_a_student_comes_closer_to_its_teacher(terms, images):
    x, _ = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    y = np.argmax(teacher.predict(x, verbose=0), -1)
    distiller = Distiller(teacher, student, terms(), hard_loss_weight=0.1)
    distiller.compile("adam", cross_entropy())
    history = distiller.fit(x, y, epochs=15, verbose=0).history
    for term in distiller.terms:
        assert history[term.name][-1] < history[term.name][0]
