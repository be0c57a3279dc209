"""CRD and InfoNCE: the published terms, and embeddings that find their own."""

import numpy as np
import pytest

from keras_kd import Distiller, methods, pack_targets
from keras_kd.layers import MemoryBank, ProjectionHead
from tests.models import cnn, cross_entropy

TAPS = ("gap", "body")


def distiller_of(terms, **compile_arguments):
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), terms, hard_loss_weight=0.1)
    distiller.compile("adam", cross_entropy(), **compile_arguments)
    return distiller


def test_crd():
    (term,) = methods.crd(TAPS, samples=50000)
    assert term.name == "crd" and float(term.weight) == pytest.approx(0.8)
    assert (term.student, term.teacher) == TAPS
    memory = term.memory
    assert isinstance(memory, MemoryBank)
    assert (memory.capacity, memory.negatives, memory.momentum) == (50000, 16384, 0.5)
    assert (memory.temperature, memory.by_class) == (0.07, True)
    assert term.loss.samples == 50000
    for head in (term.adapter, term.teacher_adapter):
        assert isinstance(head, ProjectionHead)
        assert (head.units, head.hidden, head.normalize) == (128, None, True)
    assert methods.crd({"a": "b"}, samples=5)[0].teacher == "b"
    for wrong in ("gap", ("a", "b", "c"), {"a": "b", "c": "d"}):
        with pytest.raises(ValueError, match="one pair"):
            methods.crd(wrong, samples=5)


def test_info_nce():
    (term,) = methods.info_nce()
    assert (term.student, term.teacher, float(term.weight)) == ("output", "output", 1.0)
    assert float(term.loss.temperature) == pytest.approx(0.1)
    assert methods.info_nce(TAPS, hidden=7)[0].adapter.hidden == 7


@pytest.mark.parametrize("arguments", [{}, {"negatives": 16, "by_index": False}])
def test_crd_trains(images, arguments):
    x, y = images
    terms = methods.crd(TAPS, len(x), units=16, seed=0, **arguments)
    distiller = distiller_of(terms, jit_compile=False)
    targets = pack_targets(y, index=np.arange(len(x)))
    head = distiller.terms[0].teacher_adapter
    before = head.get_weights()[0]
    history = distiller.fit(x, targets, epochs=8, batch_size=16, verbose=0).history
    # The first epoch fills the memory, and has fewer negatives.
    assert history["crd"][-1] < history["crd"][1]
    assert not np.allclose(before, head.get_weights()[0])
    kept = np.asarray(distiller.terms[0].memory.teacher_memory)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=-1), 1.0, atol=1e-5)


def test_info_nce_trains(images):
    distiller = distiller_of(methods.info_nce(TAPS, units=16), jit_compile=False)
    history = distiller.fit(*images, epochs=5, verbose=0).history
    assert history["info_nce"][-1] < history["info_nce"][0]


def test_a_missing_index_is_said(images):
    distiller = distiller_of(methods.crd(TAPS, 64), jit_compile=False)
    with pytest.raises(ValueError, match="pack_targets"):
        distiller.fit(*images, verbose=0)


def test_the_memory_is_saved_with_the_distiller(images, tmp_path):
    x, y = images
    distiller = distiller_of(methods.crd(TAPS, 64, units=4), jit_compile=False)
    targets = pack_targets(y, index=np.arange(64))
    distiller.fit(x, targets, batch_size=64, verbose=0)
    distiller.save(tmp_path / "d.keras")
    again = Distiller.load(tmp_path / "d.keras", cnn("t", 8, seed=1))
    np.testing.assert_array_equal(
        again.terms[0].memory.teacher_memory, distiller.terms[0].memory.teacher_memory
    )
    again.fit(x, targets, batch_size=64, verbose=0)
