"""Published recipes over relations: their weights, and training."""

import numpy as np
import pytest

from keras_kd import Distiller, methods
from tests.models import cnn, cross_entropy

RECIPES = {
    "relational_kd": (methods.rkd, 1.0),
    "similarity_preserving": (methods.similarity_preserving, 3000.0),
    "correlation_congruence": (methods.correlation_congruence, 0.003),
    "probabilistic_transfer": (methods.pkt, 30000.0),
}
each = pytest.mark.parametrize("name", RECIPES)


@each
def test_the_published_weights(name):
    method, weight = RECIPES[name]
    (term,) = method()
    assert (term.name, term.student, term.teacher) == (name, "output", "output")
    assert float(term.weight) == pytest.approx(weight)
    terms = method({"gap": "body", "body": "gap"}, weight=2.0)
    assert [(term.student, term.teacher) for term in terms] == [
        ("gap", "body"),
        ("body", "gap"),
    ]
    assert [term.name for term in terms] == [f"{name}_gap", f"{name}_body"]
    assert [float(term.weight) for term in terms] == [2.0, 2.0]


def test_parts_of_rkd():
    (term,) = methods.rkd(distance=1.0, angle=2.0)
    assert (term.loss.distance, term.loss.angle) == (1.0, 2.0)
    (term,) = methods.rkd()
    assert (term.loss.distance, term.loss.angle) == (25.0, 50.0)


@each
def test_a_student_comes_closer_to_its_teacher(name, images):
    """Of another width and another kind of feature, with no adapter between."""
    x, y = images
    terms = RECIPES[name][0]({"gap": "body"}, weight=1.0)
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), terms, hard_loss_weight=0.0)
    assert terms[0].adapter is None
    distiller.compile("adam", cross_entropy(), jit_compile=False)
    history = distiller.fit(x, y, epochs=8, verbose=0).history[f"{name}_gap"]
    assert np.all(np.isfinite(history))
    assert history[-1] < history[0]
