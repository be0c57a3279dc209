"""Rows made again are what the store holds, and what is not is told."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_kd.store import StoredTeacher, label
from keras_kd.store.rows.rows_file import rows_files
from keras_kd.store.verify import StoreCheck, verify_store
from keras_kd.teachers import FrozenTeacher
from tests.models import cnn

X = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype("float32")
QUIET = {"verbose": 0}


def flipped(x, seed):
    return tf.image.stateless_random_flip_left_right(x, seed) * 2.0


def half(x):
    return x * 0.5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    teacher = FrozenTeacher(cnn("t", 8, classes=20), preprocess=half)
    return label(
        teacher, X, tmp_path_factory.mktemp("store") / "targets",
        taps=("output", "body"), top_k=4, views=2, augment=flipped,
        precision={"output": "compact", "body": "int8"}, batch_size=16, **QUIET,
    )  # fmt: skip


def verified(store, model=None, data=X, augment=flipped, preprocess=half, **options):
    teacher = FrozenTeacher(model or cnn("t", 8, classes=20), preprocess=preprocess)
    return verify_store(store, teacher, data, augment, **options)


def test_the_teacher_itself_passes(store):
    check = verified(store.folder, rows=30)
    assert check.passed and check.rows == 30 and check.reasons == ()
    output, body = check.leaves
    assert output.agreement == 1.0 and body.agreement is None
    assert 0 < body.relative < 0.01 and body.worst_cosine <= body.cosine
    assert 0 < output.difference < 0.03
    json.dumps(check.to_dict())
    table = str(check).splitlines()
    assert table[0].split() == "tap cosine worst difference relative top class".split()
    assert "100.0 %" in table[1] and table[-1] == "30 rows compared: passed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": cnn("t", 8, classes=20, seed=1)}, "its weights differ"),
        ({"data": X + 1}, "other data: its contents differ"),
        ({"preprocess": None}, "its preprocess differs"),
        ({"augment": lambda x, seed: x}, "another augmentation"),
    ],
    ids=["weights", "data", "preprocess", "augment"],
)
def test_a_change_is_named_and_measured(store, change, said):
    check = verified(store, **change)
    assert not check.passed and not any(leaf.passed for leaf in check.leaves)
    assert len(check.reasons) == 1 and said in check.reasons[0]
    assert said in str(check) and "FAILED" in str(check)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": X[:30]}, "it has 40 examples, the data 30"),
        ({"model": cnn("t", 8)}, r"shape (20,), the teacher's (5,)"),
        ({"model": cnn("t", 9, classes=20)}, r"'body' has the shape (8, 8, 8)"),
        ({"data": X[:, :, :, :1]}, "cannot be compared"),
    ],
    ids=["count", "classes", "width", "channels"],
)
def test_what_cannot_be_compared_is_a_reason_and_no_crash(store, change, said):
    check = verified(store, **change)
    assert not check.passed and check.rows == 0 and not check.leaves
    assert any(said in reason for reason in check.reasons), check.reasons


def test_one_wrong_row_among_those_drawn_fails(store, tmp_path):
    """Sound by its checksums, and still not the teacher's."""
    copy = label(cnn("t", classes=20), X, tmp_path, taps=("gap",), **QUIET)
    clean = verify_store(copy, cnn("t", classes=20), X, rows=1000)
    assert clean.passed and clean.rows == 40
    path = next(iter(rows_files(copy.folder, copy.manifest).values())).path
    values = np.load(path, mmap_mode="r+", allow_pickle=False)
    values[17] = values[17][::-1]
    values.flush()
    check = verify_store(
        StoredTeacher(tmp_path, check=False), cnn("t", classes=20), X, rows=40
    )
    assert not check.passed and check.reasons == ()
    assert check.leaves[0].worst_cosine < 0.99 < check.leaves[0].cosine


def test_rows_are_drawn_by_the_seed(store):
    first, other = (verified(store, rows=5, seed=seed).leaves[1] for seed in (0, 1))
    assert first.difference != other.difference


def test_rows_must_be_some(store):
    with pytest.raises(ValueError, match="`rows` must be a positive integer"):
        verified(store, rows=0)


def test_a_store_is_not_its_own_witness(store):
    with pytest.raises(ValueError, match="are stored already"):
        verify_store(store, store, X)


def test_a_check_passes_by_all_its_parts():
    assert StoreCheck(3, ()).passed
    assert not StoreCheck(3, (), ("has another teacher",)).passed


def test_the_files_hold_22_bytes_a_view(tmp_path):
    """1,000 classes, k = 10: the bytes after the header, as they lie on the disk."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 8, 8, 3)).astype("float32")
    teacher = cnn("t", classes=1000)
    store = label(teacher, x, tmp_path, top_k=10, temperature=2.0, **QUIET)
    (path,) = tmp_path.glob("*.npy")
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        assert path.stat().st_size - file.tell() == 6 * 22
    assert store.manifest.row_bytes == 22
    assert verify_store(store, teacher, x).passed
