"""Ranges: written in order, finished as one, gathered into `checksums.json`."""

import json

import numpy as np
import pytest

from keras_kd.store.layout import done_mark
from keras_kd.store.rows import ranges, rows_file
from keras_kd.store.rows.checksums import Mark, done_ranges, is_complete
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.ranges import RangeWriter
from keras_kd.store.stored import StoredTeacher
from tests.store.small import contents, features, label, manifest, write_range


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


def test_a_range_is_done_once_it_is_finished(folder):
    with RangeWriter(folder, create(folder, manifest())) as writer:
        assert writer.undone() == [0, 1] and not writer.complete()
        write_range(writer, 1)
        assert writer.undone() == [0] and done_mark(folder, 1).exists()
        assert not writer.complete() and not is_complete(folder, manifest())
        write_range(writer, 0)
        assert writer.complete() and writer.complete()
        assert writer.undone() == []


def test_shards_part_the_ranges(folder):
    with RangeWriter(folder, create(folder, manifest(examples=37))) as writer:
        parts = [writer.undone((index, 3)) for index in range(3)]
        assert parts[1] == [1, 4, 7] and sorted(sum(parts, [])) == writer.undone()


def test_shards_make_the_bytes_of_one(tmp_path):
    label(tmp_path / "one", manifest(views=2))
    for shard in ((1, 2), (0, 2)):
        label(tmp_path / "two", manifest(views=2), shard=shard)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_numpy_reads_the_files(folder):
    label(folder)
    values = np.load(folder / "output.values.npy", allow_pickle=False)
    assert values.shape == (7, 5) and values.dtype == "float16"
    np.testing.assert_allclose(values, features(range(7))["output"], atol=1e-3)
    np.save(folder / "again.npy", values)
    again = (folder / "again.npy").read_bytes()
    assert again == (folder / "output.values.npy").read_bytes()


def test_checksums_are_json_with_a_line_for_each_range(folder):
    label(folder)
    text = (folder / "checksums.json").read_text()
    lines = json.loads(text)
    assert [line["range"] for line in lines] == [0, 1]
    assert len(text.splitlines()) == 4
    assert Mark.parse(text.splitlines()[1].removesuffix(",")) is not None


def test_rows_come_in_their_order(folder):
    with RangeWriter(folder, create(folder, manifest())) as writer:
        with pytest.raises(RuntimeError, match="inside `with writer.claim"):
            writer.write(range(0, 3), features(range(0, 3)))
        with writer.claim(0):
            for wrong in (range(1, 3), range(0, 5), range(0, 4, 2)):
                with pytest.raises(ValueError, match="next rows of range 0 begin at 0"):
                    writer.write(wrong, features(wrong))
            with pytest.raises(ValueError, match="3 rows of 'output' are due"):
                writer.write(range(0, 3), features(range(0, 2)))
            with pytest.raises(ValueError, match=r"shape \(5,\). Received: \(4,\)"):
                writer.write(range(0, 1), {"output": np.zeros((1, 4))})
            writer.write(range(0, 3), features(range(0, 3)))
            with pytest.raises(ValueError, match="the next row of range 0 is 3"):
                writer.finish(0)
            with pytest.raises(RuntimeError, match="Range 0 is claimed"):
                with writer.claim(1):
                    pass
        assert writer.undone() == [0, 1]


def test_a_mark_of_another_manifest_does_not_count(folder):
    label(folder)
    other = manifest(seed=1)
    (folder / "manifest.json").unlink()
    assert done_ranges(folder, manifest()) and not done_ranges(folder, other)
    assert label(folder, other) == [0, 1]
    StoredTeacher(folder)


def test_another_store_is_refused(folder):
    label(folder)
    before = contents(folder)
    with pytest.raises(ValueError, match="seed=0"):
        create(folder, manifest(seed=1))
    RangeWriter(folder, manifest()).complete()
    assert contents(folder) == before


def test_notes_do_not_make_another_store(folder):
    create(folder, manifest(notes={"engine": "litert"}))
    assert create(folder, manifest()).notes == {"engine": "litert"}
    label(folder)
    assert is_complete(folder, manifest())


def test_a_file_where_the_folder_should_be(folder):
    folder.write_text("a file")
    with pytest.raises(ValueError, match="It is a file"):
        create(folder, manifest())


def test_leftovers_of_killed_processes_are_swept(folder):
    create(folder, manifest())
    (folder / ".output.values.npy.0a.tmp").write_bytes(b"half")
    (folder / ".notes").write_text("of the user")
    label(folder)
    assert ".notes" in contents(folder) and not list(folder.glob("*.tmp"))
    assert not list(folder.glob(".*.tmp"))


def test_short_writes_go_on(folder, monkeypatch):
    whole = folder.with_name("whole")
    label(whole)
    real = rows_file.os.pwrite
    monkeypatch.setattr(rows_file.os, "pwrite", lambda f, c, p: real(f, c[:7], p))
    label(folder)
    assert contents(folder) == contents(whole)


def test_a_system_without_pwrite_and_fallocate(folder, monkeypatch):
    whole = folder.with_name("whole")
    label(whole)
    for name in ("pwrite", "posix_fallocate"):
        monkeypatch.delattr(rows_file.os, name)
    label(folder)
    assert contents(folder) == contents(whole)


def test_folders_are_synced_before_marks_are_removed(folder, monkeypatch):
    seen = []
    real = ranges.sync_folder
    monkeypatch.setattr(
        ranges, "sync_folder",
        lambda path: (seen.append(done_mark(path, 1).exists()), real(path)),
    )  # fmt: skip
    label(folder)
    assert seen == [True]
