"""A teacher read from the disk: what it gives, what it refuses, what it costs."""

import tracemalloc

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, FrozenTeacher, losses, methods
from keras_kd.store.fields import Leaf, Whole
from keras_kd.store.layout import Layout
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows import rows_file
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.ranges import RangeWriter
from keras_kd.store.stored import StoredTeacher
from keras_kd.targets import pack_targets
from tests.models import cnn
from tests.store.small import features, label, manifest


@pytest.fixture
def store(tmp_path):
    label(tmp_path / "store", manifest(views=2))
    return StoredTeacher(tmp_path / "store")


def written(folder, leaves, values, notes=None):
    """A store of given arrays by stem."""
    count = len(next(iter(values.values())))
    wanted = Manifest(Layout(count), tuple(leaves), count, 0, {}, notes or {})
    with RangeWriter(folder, create(folder, wanted)) as writer:
        with writer.claim(0):
            writer.write(range(count), values)
            writer.finish(0)
        writer.complete()
    return StoredTeacher(folder)


def test_what_it_tells(store):
    assert (store.examples, store.views, store.rows) == (7, 2, 14)
    assert store.taps == ("output", "block") and store.name == "store"
    assert store.bytes == 14 * store.manifest.row_bytes
    assert repr(store).endswith(
        "7 examples × 2 views, taps ['output', 'block'], 0.0 MB"
    )


@pytest.mark.parametrize("ids", [[3], [6, 0, 0, 2], [1, 2, 3], range(7), []])
@pytest.mark.parametrize("view", [0, 1, 2, 5])
def test_rows_by_example_and_view(store, ids, view):
    ids = np.array(ids, "int64")
    found = store.gather(ids, view)
    expected = features(range(14))
    rows = ids + 7 * (view % 2)
    np.testing.assert_allclose(found["output"], expected["output"][rows], atol=1e-3)
    np.testing.assert_allclose(found["block"], expected["block"][rows], atol=1e-2)
    assert found["output"].dtype == "float32" and found["output"].flags.writeable


def test_a_view_for_each_example(store):
    found = store.gather(np.array([0, 0]), np.array([0, 1]))["output"]
    expected = features(range(14))["output"][[0, 7]]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("ids, wrong", [([7], 7), ([0, -1], -1), ([3, 100, 2], 100)])
def test_numbers_of_no_example(store, ids, wrong):
    with pytest.raises(ValueError, match=f"examples 0 to 6. Received: {wrong}"):
        store.gather(np.array(ids))


@pytest.mark.parametrize("ids", [3, [0.5], [[1]], [True]])
def test_what_is_no_vector_of_numbers(store, ids):
    with pytest.raises(ValueError, match="`ids` must be a vector of integers"):
        store.gather(ids)


def test_unfinished_stores_say_how_far_they_are(tmp_path):
    label(tmp_path, manifest(views=2), shard=(0, 4))
    with pytest.raises(ValueError, match=r"to 25 % \(1 of 4 ranges\): run `label`"):
        StoredTeacher(tmp_path)


def test_labelled_and_not_closed(tmp_path):
    with RangeWriter(tmp_path, create(tmp_path, manifest(examples=3))) as writer:
        with writer.claim(0):
            writer.write(range(3), features(range(3)))
            writer.finish(0)
    with pytest.raises(ValueError, match="to 100 %"):
        StoredTeacher(tmp_path)


def test_no_store(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no store of targets"):
        StoredTeacher(tmp_path)


def test_taps_that_are_not_there(store):
    with pytest.raises(ValueError, match="Available.*Did you mean 'block'"):
        store.spec(None, ["blok"])
    with pytest.raises(ValueError, match="come with the batch"):
        store(np.zeros((1, 2)))


def test_a_softmax_is_known_from_the_notes(tmp_path):
    leaf = Leaf("output", (), Whole((5,)), "output")
    values, notes = {"output": np.ones((4, 5))}, {"probabilities": ["output"]}
    store = written(tmp_path, [leaf], values, notes)
    assert store.gives_probabilities("output")
    assert not store.gives_probabilities("block")
    with pytest.raises(ValueError, match="wants logits, and teacher"):
        Distiller(store, cnn("student", 4), methods.hinton())


def test_features_alone_train(tmp_path, images):
    """Without an output in the store, where no term reads it."""
    x, y = images
    teacher, student = cnn("teacher", 8, seed=1), cnn("student", 4)
    tap = student.layers[1].name
    made = FrozenTeacher(teacher)(x, (tap,))[tap]
    shape = tuple(made.shape[1:])
    store = written(
        tmp_path, [Leaf(tap, (), Whole(shape, "float32"), "map")], {"map": made}
    )
    assert store.taps == (tap,)
    term = DistillationTerm(losses.Hint(), student=tap, teacher=tap)
    with pytest.raises(ValueError, match="Tap 'output' not found in the store"):
        Distiller(store, student, methods.hinton())
    distiller = Distiller(store, student, [term])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss)
    packed = pack_targets(y, store.gather(np.arange(64)))
    history = distiller.fit(x, packed, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    assert np.isfinite(distiller.evaluate(x, y, verbose=0))


def test_outputs_part_by_part(tmp_path):
    """As a live teacher's, whole and by name."""
    leaves = [
        Leaf("output", ("a",), Whole((2,)), "output_a"),
        Leaf("output", ("b", 0), Whole((3,)), "output_b_0"),
        Leaf("output", ("b", 1), Whole((1,), "int32"), "output_b_1"),
    ]
    values = {
        "output_a": np.ones((4, 2)),
        "output_b_0": np.zeros((4, 3)),
        "output_b_1": np.arange(4)[:, None],
    }
    store = written(tmp_path, leaves, values)
    found = store.gather(np.array([2]))
    assert set(found) == {"output", "output/a", "output/b"}
    assert found["output"]["b"][1] == [[2]] and found["output/b"][1].dtype == "int32"
    assert store.spec(None, ["output/a"])["output/a"].shape == (None, 2)


def test_an_empty_folder_name(tmp_path, monkeypatch):
    label(tmp_path / "store")
    monkeypatch.chdir(tmp_path / "store")
    assert StoredTeacher("../store/").name == "store"


def test_the_memory_does_not_grow_with_the_store(tmp_path, monkeypatch):
    """Opened and checked in chunks; rows are mapped."""
    monkeypatch.setattr(rows_file, "CHUNK", 4096)
    peaks = []
    for examples in (2000, 20000):
        folder = tmp_path / str(examples)
        leaf = Leaf("output", (), Whole((32,), "float32"), "output")
        wanted = Manifest(Layout(examples, range_rows=examples), (leaf,), 64, 0, {})
        with RangeWriter(folder, create(folder, wanted)) as writer:
            with writer.claim(0):
                writer.write(range(examples), {"output": np.ones((examples, 32))})
                writer.finish(0)
            writer.complete()
        tracemalloc.start()
        store = StoredTeacher(folder)
        store.gather(np.arange(0, 2000, 20))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
