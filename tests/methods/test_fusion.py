"""VID, ReviewKD and MGD: the published terms, and a student that comes closer."""

import numpy as np
import pytest

from keras_kd import Distiller, methods
from keras_kd.layers import MaskedGenerator, ReviewFusion, VariationalAdapter
from keras_kd.schedules import LinearWarmup, Ramp
from tests.models import cnn, cross_entropy


def distiller_of(terms):
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), terms, hard_loss_weight=0.1)
    distiller.compile("adam", cross_entropy(), jit_compile=False)
    return distiller


def test_vid():
    terms = methods.vid({"body": "body", "gap": "gap"})
    assert [t.name for t in terms] == [
        "variational_information_body",
        "variational_information_gap",
    ]
    assert [float(t.weight) for t in terms] == [1.0, 1.0]
    distiller_of(terms)
    for term in terms:
        assert isinstance(term.adapter, VariationalAdapter)
        assert (term.adapter.units, term.adapter.initial_variance) == (8, 5.0)


def test_review_reads_all_levels_in_one_term():
    (term,) = methods.review({"c": "c", "body": "body", "gap": "gap"}, weight=8.0)
    assert isinstance(term.weight.schedule, LinearWarmup)
    warmup = term.weight.schedule
    assert (warmup.value, warmup.epochs) == (8.0, 20)
    distiller_of([term])
    assert isinstance(term.adapter, ReviewFusion)
    assert term.adapter.hidden == 4  # the student's deepest, below 512
    assert (term.adapter.filters, term.adapter.sizes[2]) == ([8, 8, 8], None)
    ramp = Ramp(0.0, 1.0, 3)
    assert methods.review({"c": "c"}, ramp)[0].weight.schedule is ramp
    assert float(methods.review({"c": "c"}, 2.0, warmup_epochs=0)[0].weight) == 2.0


def test_mgd():
    (term,) = methods.mgd({"body": "body"}, seed=3)
    assert (term.loss.alpha, float(term.weight)) == (2e-5, 1.0)
    distiller_of([term])
    assert isinstance(term.adapter, MaskedGenerator)
    assert (term.adapter.filters, term.adapter.keep, term.adapter.seed) == (8, 0.35, 3)


@pytest.mark.parametrize(
    "terms",
    [
        lambda: methods.vid({"body": "body"}),
        lambda: methods.review({"body": "body", "gap": "gap"}, warmup_epochs=0),
        lambda: methods.mgd({"body": "body"}, alpha=7e-5, seed=0),
    ],
    ids=["vid", "review", "mgd"],
)
def test_a_student_comes_closer_to_its_teacher(terms, images):
    distiller = distiller_of(terms())
    history = distiller.fit(*images, epochs=5, verbose=0).history
    for term in distiller.terms:
        assert history[term.name][-1] < history[term.name][0]


def test_what_stands_between_is_saved_with_the_distiller(images, tmp_path):
    taps = {"body": "body", "gap": "gap"}
    terms = methods.review(taps) + methods.vid({"body": "body"})
    distiller = distiller_of(terms)
    distiller.fit(*images, batch_size=64, verbose=0)
    distiller.save(tmp_path / "d.keras")
    again = Distiller.load(tmp_path / "d.keras", cnn("t", 8, seed=1))
    for was, weight in zip(distiller.weights, again.weights, strict=True):
        np.testing.assert_array_equal(was, weight)
    again.fit(*images, batch_size=64, verbose=0)
