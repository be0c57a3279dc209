"""A labelling run: what it writes, what it says, what it refuses."""

import shutil

import keras
import numpy as np
import pytest

from keras_kd import Distiller, EnsembleTeacher, FrozenTeacher, SelfTeacher, methods
from keras_kd.store import Augmentation, StoredTeacher, StoreFullError, label
from keras_kd.store.labelling.estimate import store_bytes
from keras_kd.store.labelling.planning import as_shard
from keras_kd.store.labelling.readiness import sample
from keras_kd.store.rows.ranges import RangeWriter
from tests.store.labelled import contents, images, network

SMALL = {"batch_size": 16, "range_rows": 20, "verbose": 0}


@pytest.fixture(scope="module")
def teacher():
    return network()


@pytest.fixture(scope="module")
def x():
    return images()


def stop_after(monkeypatch, ranges):
    """Ctrl-C once so many ranges are finished."""
    finish, finished = RangeWriter.finish, []

    def stopped(self, number):
        if len(finished) == ranges:
            raise KeyboardInterrupt
        finish(self, number)
        finished.append(number)

    monkeypatch.setattr(RangeWriter, "finish", stopped)


def test_from_a_teacher_to_a_trained_student_without_any_label(teacher, x, tmp_path):
    augment = Augmentation(flip=True, crop=1)
    store = label(
        teacher, x, tmp_path / "s", taps=("output", "pool"), views=2, augment=augment,
        **SMALL,
    )  # fmt: skip
    assert store.taps == ("output", "pool") and store.rows == 200
    student = network(4, 1, "narrow")
    terms = methods.hinton(temperature=2.0, weight=1.0)
    distiller = Distiller(store, student, terms, hard_loss_weight=0)
    distiller.compile(keras.optimizers.Adam(0.01))
    batches = store.dataset(x, batch_size=20, augment=augment)
    losses = distiller.fit(batches, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_rows_are_what_the_teacher_says_of_each_view(teacher, x, tmp_path):
    augment = Augmentation(flip=True, crop=2)
    store = label(
        teacher, x, tmp_path / "s", precision="float32", views=3, augment=augment,
        **SMALL,
    )  # fmt: skip
    batches = store.dataset(x, batch_size=25, augment=augment)
    seen = []
    for _ in range(3):  # an epoch for each view
        for views, y in batches:
            said = teacher(views, training=False)
            np.testing.assert_allclose(y["teacher"]["output"], said, atol=1e-6)
        seen.append(store.gather(np.arange(100), len(seen))["output"])
    assert not np.allclose(seen[0], seen[1]) and not np.allclose(seen[1], seen[2])


def test_shards_end_in_the_bytes_of_one_run(teacher, x, tmp_path):
    taps = {"taps": ("output", "body"), "precision": "int8", "views": 2, **SMALL}
    label(teacher, x, tmp_path / "one", **taps)
    assert label(teacher, x, tmp_path / "two", shard="1/2", **taps) is None
    with pytest.raises(ValueError, match="labelled to 42 %"):
        StoredTeacher(tmp_path / "two")
    assert label(teacher, x, tmp_path / "two", shard=(0, 2), **taps).rows == 200
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_stopped_run_goes_on_and_ends_in_the_same_bytes(
    teacher, x, tmp_path, monkeypatch, capsys
):
    label(teacher, x, tmp_path / "one", **SMALL)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        label(teacher, x, tmp_path / "two", **SMALL)
    written = []
    write = RangeWriter.write
    monkeypatch.setattr(
        RangeWriter,
        "write",
        lambda self, rows, f: (written.append(rows), write(self, rows, f)),
    )
    label(teacher, x, tmp_path / "two", **SMALL | {"verbose": 1})
    assert "going on: 2 of 4 ranges are done" in capsys.readouterr().out
    assert [rows.start for rows in written] == [64, 80, 96]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_bytes_are_told_before_exactly(teacher, x, tmp_path, capsys):
    arguments = {"taps": ("output", "body"), "top_k": 2, "views": 3, "range_rows": 64}
    store = label(teacher, x, tmp_path / "s", **arguments, precision="int8")
    printed = capsys.readouterr().out
    on_disk = sum(path.stat().st_size for path in (tmp_path / "s").glob("*.npy"))
    assert store_bytes(tmp_path / "s", store.manifest) == on_disk
    first, *_, last = printed.splitlines()
    assert first.startswith("wide: 300 rows (100 examples × 3 views)")
    assert f": {on_disk:,} bytes in s," in first
    assert last.startswith("300 rows in ") and "rows/s" in last
    assert f"{on_disk:,} bytes in" in last and "whole" in last
    label(teacher, x, tmp_path / "s", **arguments, precision="int8")
    assert "Nothing was left to do" in capsys.readouterr().out


def kinds(store):
    return {
        leaf.stem: (leaf.field.kind, getattr(leaf.field, "dtype", None))
        for leaf in store.manifest.leaves
    }


@pytest.mark.parametrize(
    ("arguments", "output", "body"),
    [
        ({}, ("whole", "float16"), ("whole", "float16")),
        ({"precision": "float32"}, ("whole", "float32"), ("whole", "float32")),
        ({"precision": "int8"}, ("whole", "float16"), ("int8", None)),
        ({"top_k": 2}, ("top_k", None), ("whole", "float16")),
        (
            {"top_k": 2, "precision": "compact"},
            ("top_k", None),
            ("whole", "float16"),
        ),
        (
            {"precision": {"output": "float32", "body": "int8"}},
            ("whole", "float32"),
            ("int8", None),
        ),
    ],
)
def test_precisions(arguments, output, body, teacher, x, tmp_path):
    taps = ("output", "body")
    store = label(teacher, x[:20], tmp_path / "s", taps=taps, **arguments, **SMALL)
    assert kinds(store) == {"output": output, "body": body}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"taps": ("bodi",)}, "Available: ['body', 'pool', 'head']"),
        ({"taps": ()}, "at least one tap"),
        ({"top_k": 0}, "`top_k` must be a positive integer"),
        ({"taps": ("body",), "top_k": 2}, "not among the taps"),
        ({"precision": "half"}, "`precision` must be one of"),
        ({"precision": {"body": "int8"}}, "`precision` must be one of"),
        ({"precision": "compact"}, "pass `top_k`"),
        ({"views": 0}, "`views` must be a positive integer"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"range_rows": -1}, "`range_rows` must be a positive integer"),
        ({"top_k": 2, "temperature": -1.0}, "`temperature` must be positive"),
        ({"shard": "2/2"}, "`shard` must be i/N"),
    ],
)
def test_refusals_leave_nothing(arguments, sentence, teacher, x, tmp_path):
    with pytest.raises(ValueError) as error:
        label(teacher, x, tmp_path / "s", **SMALL | arguments)
    assert sentence in str(error.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("shard", ["1", "a/2", "-1/2", "1/0", (1,), 3, None, "1/2/3"])
def test_shards_that_are_none(shard):
    with pytest.raises(ValueError, match="`shard` must be i/N"):
        as_shard(shard)


def test_teachers_that_cannot_label(teacher, x, tmp_path):
    store = label(teacher, x, tmp_path / "s", **SMALL)
    with pytest.raises(ValueError, match="are stored already"):
        label(store, x, tmp_path / "t", **SMALL)
    for other in (SelfTeacher(), EnsembleTeacher({"a": teacher, "s": SelfTeacher()})):
        with pytest.raises(ValueError, match="label without a student"):
            label(other, x, tmp_path / "t", **SMALL)
    assert not (tmp_path / "t").exists()


def test_another_teacher_is_refused(teacher, x, tmp_path):
    label(teacher, x, tmp_path / "s", **SMALL)
    before = contents(tmp_path / "s")
    with pytest.raises(ValueError, match="labelled by another teacher"):
        label(network(seed=1), x, tmp_path / "s", **SMALL)
    assert contents(tmp_path / "s") == before


def test_an_ensemble_and_its_members(teacher, x, tmp_path):
    both = EnsembleTeacher({"a": teacher, "b": network(4, 1)})
    store = label(
        both, x, tmp_path / "s", taps=("output", "b/output"), top_k=2, **SMALL
    )
    assert {leaf.field.kind for leaf in store.manifest.leaves} == {"top_k"}
    assert store.manifest.notes["engine"] == {"a": "tensorflow", "b": "tensorflow"}


def test_a_store_goes_on_in_the_engine_it_was_begun_in(
    teacher, x, tmp_path, monkeypatch, capsys
):
    label(FrozenTeacher(teacher, engine="litert"), x, tmp_path / "one", **SMALL)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        label(FrozenTeacher(teacher, engine="litert"), x, tmp_path / "two", **SMALL)
    other = FrozenTeacher(teacher)
    label(other, x, tmp_path / "two", **SMALL | {"verbose": 1})
    assert other.engine == "litert"
    assert "goes on in litert" in capsys.readouterr().out
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_int8_teacher_tells_how_far_it_agrees(teacher, tmp_path, capsys):
    small = FrozenTeacher(teacher, engine="litert", precision="int8")
    store = label(small, images(240), tmp_path / "s", batch_size=16)
    share = store.manifest.notes["agreement"]["wide"]
    assert 0.5 < share <= 1.0
    assert f"wide in int8: {100 * share:.2f} %" in capsys.readouterr().out


def test_probabilities_are_noted(x, tmp_path):
    softmax = network(activation="softmax")
    assert label(softmax, x, tmp_path / "p", **SMALL).gives_probabilities("output")
    logits = FrozenTeacher(softmax, from_probabilities=True)
    store = label(logits, x, tmp_path / "l", **SMALL)
    assert not store.gives_probabilities("output")


def test_a_disk_without_room_is_told_before_the_teacher_runs(
    teacher, x, tmp_path, monkeypatch
):
    free = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(StoreFullError, match="needs 1,128 bytes and 100 are free"):
        label(teacher, x, tmp_path / "s", **SMALL)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 100, 300, 600, 1280, 1281, 5000])
def test_int8_is_compared_on_other_examples_than_it_is_calibrated_on(count):
    calibrating, compared = sample(count)
    assert 1 <= len(calibrating) <= 256 and 1 <= len(compared) <= 1024
    assert max(*calibrating, *compared) < count
    if count > 1:
        assert not set(calibrating) & set(compared)
    if count > 1280:
        assert len(calibrating) == 256


def test_top_k_that_leave_much_out_are_told(teacher, x, tmp_path, capsys):
    loud = SMALL | {"verbose": 1}
    label(teacher, x, tmp_path / "s", top_k=2, temperature=4.0, **loud)
    # Of five classes, nearly even.
    assert "the top 2 of 'output' hold 4" in capsys.readouterr().out
    label(teacher, x, tmp_path / "t", top_k=4, temperature=0.01, **loud)
    assert "hold" not in capsys.readouterr().out
