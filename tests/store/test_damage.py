"""A flipped byte anywhere is detected and named, and only its range is made anew."""

import random
import shutil

import numpy as np
import pytest

from keras_kd import store
from keras_kd.store.rows.damage import DamagedStoreError
from keras_kd.store.stored import StoredTeacher
from tests.models import cnn
from tests.store.small import contents, label, manifest


@pytest.fixture
def folder(tmp_path):
    label(tmp_path / "store", manifest(views=2))
    return tmp_path / "store"


def flipped(path, place, bit=0):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_any_flipped_bit_of_any_file(folder):
    """Then `label` mends it: the folder is as it was."""
    whole, drawn = contents(folder), random.Random(0)
    for trial in range(400):
        name = drawn.choice(sorted(whole))
        place = drawn.randrange(len(whole[name]))
        flipped(folder / name, place, drawn.randrange(8))
        with pytest.raises(ValueError, match="is damaged") as caught:
            StoredTeacher(folder)
        assert name in str(caught.value) and "`label` again" in str(caught.value)
        if trial % 4:
            (folder / name).write_bytes(whole[name])
        else:
            assert len(label(folder, manifest(views=2))) <= 1
            assert contents(folder) == whole


def test_each_byte_of_the_smallest_file(folder):
    path = folder / "block.scale.npy"
    for place in range(path.stat().st_size):
        flipped(path, place)
        with pytest.raises(DamagedStoreError, match=r"block\.scale\.npy"):
            StoredTeacher(folder)
        flipped(path, place)
    StoredTeacher(folder)


def test_the_sentence_names_file_range_and_rows(folder):
    flipped(folder / "output.values.npy", -1)
    with pytest.raises(DamagedStoreError) as caught:
        StoredTeacher(folder)
    assert str(caught.value) == (
        f"{folder} is damaged: output.values.npy has changed in range 3 (rows 12 to "
        "13). Run `label` again with the same arguments: it labels these rows anew and "
        "leaves the others."
    )
    (damage,) = caught.value.damages
    assert damage.number == 3 and damage.rows == range(12, 14)


def test_checking_later(folder):
    flipped(folder / "block.codes.npy", -1)
    store = StoredTeacher(folder, check=False)
    with pytest.raises(DamagedStoreError, match=r"block\.codes\.npy .* range 3"):
        store.check()


def test_many_damages_are_counted(folder):
    path = folder / "output.values.npy"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(DamagedStoreError, match="header; .*range 1.*; and 2 more"):
        StoredTeacher(folder)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "harm, sentence, anew",
    [
        (lambda path: path.unlink(), "block.codes.npy is missing", [0, 1, 2, 3]),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has 211 bytes", [3]),
        (lambda path: path.write_bytes(path.read_bytes()[:-60]), "not 212", [1, 2, 3]),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has 213 bytes", []),
        (lambda path: path.write_bytes(b""), "has 0 bytes and not 212", [0, 1, 2, 3]),
        (lambda path: flipped(path, 9), "has a damaged header", []),
        (lambda path: flipped(path, 60), "has a damaged header", []),
    ],
)  # fmt: skip
def test_files_that_are_not_whole(folder, harm, sentence, anew, check):
    whole = contents(folder)
    harm(folder / "block.codes.npy")
    with pytest.raises(DamagedStoreError, match=sentence):
        StoredTeacher(folder, check=check)
    assert label(folder, manifest(views=2)) == anew
    assert contents(folder) == whole


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "{}", "[\n]\n", "\xff"])
def test_checksums_that_say_nothing(folder, text):
    whole = contents(folder)
    (folder / "checksums.json").write_text(text, encoding="latin1")
    with pytest.raises(ValueError, match="damaged|labelled to 0 %"):
        StoredTeacher(folder)
    assert label(folder, manifest(views=2)) == [0, 1, 2, 3]
    assert contents(folder) == whole


def test_a_damaged_line_of_the_checksums_costs_its_range(folder):
    whole = contents(folder)
    lines = (folder / "checksums.json").read_bytes().splitlines(keepends=True)
    flipped(folder / "checksums.json", len(lines[0] + lines[1]) + 30)
    with pytest.raises(DamagedStoreError, match=r"of 1 of 4 ranges, such as range 1"):
        StoredTeacher(folder)
    assert label(folder, manifest(views=2)) == [1]
    assert contents(folder) == whole


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"sha256": 1}', "\xff"])
def test_a_manifest_that_says_nothing(folder, text):
    whole = contents(folder)
    (folder / "manifest.json").write_text(text, encoding="latin1")
    with pytest.raises(ValueError, match=r"manifest\.json is damaged.*writes it anew"):
        StoredTeacher(folder)
    with pytest.raises(ValueError, match="is damaged"):
        label(folder, manifest(views=2, seed=3))
    assert label(folder, manifest(views=2)) == []
    assert contents(folder) == whole


def test_a_missing_manifest(folder):
    whole = contents(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="is no store of targets"):
        StoredTeacher(folder)
    assert label(folder, manifest(views=2)) == []
    assert contents(folder) == whole


def test_files_of_another_store(folder, tmp_path):
    label(tmp_path / "other", manifest(views=2, seed=1))
    shutil.copy(tmp_path / "other" / "checksums.json", folder)
    with pytest.raises(DamagedStoreError, match=r"checksums\.json has no valid sums"):
        StoredTeacher(folder)


def test_a_damaged_mark_of_an_unfinished_store(folder, tmp_path):
    unfinished = tmp_path / "unfinished"
    assert label(unfinished, manifest(views=2), shard=(0, 2)) == [0, 2]
    flipped(unfinished / "done" / "00000002.json", 20)
    assert label(unfinished, manifest(views=2)) == [1, 2, 3]
    assert contents(unfinished) == contents(folder)


def test_a_mark_under_another_name_is_none(folder, tmp_path):
    unfinished = tmp_path / "unfinished"
    label(unfinished, manifest(views=2), shard=(0, 2))
    done = unfinished / "done"
    shutil.copy(done / "00000002.json", done / "00000001.json")
    assert label(unfinished, manifest(views=2)) == [1, 3]
    assert contents(unfinished) == contents(folder)


def test_a_missing_file_of_an_unfinished_store(folder, tmp_path):
    unfinished = tmp_path / "unfinished"
    label(unfinished, manifest(views=2), shard=(0, 2))
    (unfinished / "block.scale.npy").unlink()
    assert label(unfinished, manifest(views=2)) == [0, 1, 2, 3]
    assert contents(unfinished) == contents(folder)


def test_a_damaged_manifest_comes_back_with_its_notes(tmp_path):
    teacher, images = cnn("teacher", 8), np.zeros((4, 8, 8, 3), "float32")
    store.label(teacher, images, tmp_path, verbose=0)
    whole = contents(tmp_path)
    (tmp_path / "manifest.json").write_bytes(whole["manifest.json"][:-9])
    store.label(teacher, images, tmp_path, verbose=0)
    assert contents(tmp_path) == whole
