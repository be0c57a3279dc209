"""A store behind a URL: copied once, whole or not at all, and checked."""

import io
import os
import sys

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from keras_kd import store
from keras_kd.store import remote
from keras_kd.store.rows.damage import DamagedStoreError
from keras_kd.store.rows.full_disk import StoreFullError
from keras_kd.store.stored import StoredTeacher
from tests.models import cnn
from tests.store.small import contents, features, label, manifest

URL = "memory://bucket/targets"
FILES = 5


@pytest.fixture
def whole(tmp_path):
    """A store, and the same in the memory's file system."""
    label(tmp_path / "whole")
    yield uploaded(tmp_path / "whole")
    MemoryFileSystem.store.clear()


def uploaded(folder):
    """A store's files, which are put into the memory's file system."""
    files = contents(folder)
    for name, content in files.items():
        fsspec.filesystem("memory").pipe_file(f"{URL}/{name}", content)
    return files


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy"


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are opened over there."""
    names = []
    real = MemoryFileSystem._open

    def opened(self, path, mode="rb", **options):
        if mode == "rb":
            names.append(path.rsplit("/", 1)[-1])
        return real(self, path, mode, **options)

    monkeypatch.setattr(MemoryFileSystem, "_open", opened)
    return names


class Broken(io.BytesIO):
    """The beginning of a file, then no connection."""

    def read(self, size=-1):
        content = super().read(size)
        if not content:
            raise ConnectionError("the line is dead")
        return content


def breaking(monkeypatch, name, after):
    """The connection breaks once `after` bytes of a file are read."""
    real = MemoryFileSystem._open

    def opened(self, path, mode="rb", **options):
        file = real(self, path, mode, **options)
        if not path.endswith(name) or mode != "rb":
            return file
        whole = file.getvalue()
        return Broken(whole[:after])

    monkeypatch.setattr(MemoryFileSystem, "_open", opened)


def test_a_url_is_copied_and_read(whole, copy):
    stored = StoredTeacher(URL, copy_to=copy)
    assert contents(copy) == whole
    assert stored.name == "targets" and stored.folder == copy
    expected = features(range(7))["output"][[3, 0]]
    np.testing.assert_allclose(stored.gather([3, 0])["output"], expected, atol=1e-3)


def test_file_urls(tmp_path, copy):
    label(tmp_path / "whole")
    url = f"file://{tmp_path}/whole/"
    assert StoredTeacher(url, copy_to=copy).name == "whole"
    assert contents(copy) == contents(tmp_path / "whole")


def test_what_is_there_is_not_copied_again(whole, reads, copy):
    StoredTeacher(URL, copy_to=copy)
    assert len(reads) == FILES - 2  # The texts are read as a whole.
    reads.clear()
    StoredTeacher(URL, copy_to=copy)
    StoredTeacher(URL, copy_to=copy, check=False)
    assert not reads


def test_a_damaged_copy_is_mended(whole, reads, copy):
    StoredTeacher(URL, copy_to=copy)
    for name in whole:
        (copy / name).write_bytes(whole[name][:-1] + b"?")
        reads.clear()
        StoredTeacher(URL, copy_to=copy)
        assert contents(copy) == whole
        assert reads == ([name] if name.endswith(".npy") else [])
    (copy / "block.codes.npy").write_bytes(b"short")
    StoredTeacher(URL, copy_to=copy, check=False)
    assert contents(copy) == whole


def test_damage_that_comes_later_names_the_way_out(whole, copy):
    stored = StoredTeacher(URL, copy_to=copy)
    (copy / "block.codes.npy").write_bytes(whole["block.codes.npy"][:-1] + b"?")
    with pytest.raises(DamagedStoreError, match="Open memory://bucket/targets again"):
        stored.check()


def test_another_store_takes_the_place(whole, tmp_path, reads, copy):
    StoredTeacher(URL, copy_to=copy)
    label(tmp_path / "other", manifest(seed=1))
    uploaded(tmp_path / "other")
    reads.clear()
    StoredTeacher(URL, copy_to=copy, check=False)
    assert contents(copy) == contents(tmp_path / "other")
    assert not reads  # The rows are the same.


@pytest.mark.parametrize("after", [0, 1, 130, 180])
def test_a_broken_line_and_the_rest(whole, monkeypatch, after, copy):
    with monkeypatch.context() as patch:
        breaking(patch, "output.values.npy", after)
        with pytest.raises(
            OSError, match=f"stopped after {after} bytes .*line is dead"
        ):
            StoredTeacher(URL, copy_to=copy)
    with pytest.raises(DamagedStoreError, match=r"output\.values\.npy is missing"):
        StoredTeacher(copy)
    copied = []

    class Bar:
        def __init__(self, target, unit_name):
            copied.append(target)

        def add(self, count):
            copied[0] -= count

    monkeypatch.setattr(remote.keras.utils, "Progbar", Bar)
    StoredTeacher(URL, copy_to=copy)
    assert contents(copy) == whole
    assert copied == [0]  # As much as was still missing, and no more.


def test_a_part_of_an_older_store_is_copied_anew(whole, copy):
    copy.mkdir()
    (copy / ".output.values.npy.part").write_bytes(b"of another time")
    StoredTeacher(URL, copy_to=copy)
    assert contents(copy) == whole


def test_damage_over_there(whole, copy):
    memory = fsspec.filesystem("memory")
    path = f"{URL}/output.values.npy"
    memory.pipe_file(path, whole["output.values.npy"][:-1] + b"?")
    with pytest.raises(
        DamagedStoreError, match="memory://.*values.npy is not what its"
    ):
        StoredTeacher(URL, copy_to=copy)
    assert not list(copy.glob(".*"))
    for name in ("manifest.json", "checksums.json"):
        memory.pipe_file(f"{URL}/{name}", whole[name].replace(b"0", b"1"))
        with pytest.raises(ValueError, match=f"memory://bucket/targets.*{name}.*damage|"
                           f"memory://bucket/targets.*damage.*{name}"):  # fmt: skip
            StoredTeacher(URL, copy_to=copy)
        memory.pipe_file(f"{URL}/{name}", whole[name])


def test_what_is_not_there(whole, copy):
    memory = fsspec.filesystem("memory")
    with pytest.raises(FileNotFoundError, match="memory://nowhere is no store"):
        StoredTeacher("memory://nowhere", copy_to=copy)
    memory.rm(f"{URL}/block.codes.npy")
    with pytest.raises(OSError, match=r"block\.codes\.npy .* stopped after 0 bytes"):
        StoredTeacher(URL, copy_to=copy)
    memory.rm(f"{URL}/checksums.json")
    with pytest.raises(ValueError, match="is not finished: it has no checksums.json"):
        StoredTeacher(URL, copy_to=copy)


def test_no_room_for_the_copy(whole, tmp_path, monkeypatch, copy):
    usage = remote.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StoreFullError, match="100 are free, [0-9]+ are missing"):
        StoredTeacher(URL, copy_to=copy)


def test_a_folder_is_not_copied(tmp_path):
    with pytest.raises(ValueError, match="`copy_to` is for a URL"):
        StoredTeacher(tmp_path, copy_to=tmp_path)


def test_without_fsspec_or_its_part(monkeypatch):
    with pytest.raises(ImportError, match="cannot open 's3://b/x' yet: Install s3fs"):
        StoredTeacher("s3://b/x")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-kd\[remote\]'"):
        StoredTeacher("s3://b/x")


def test_a_temporary_copy_goes_with_the_process(tmp_path, monkeypatch):
    registered = []
    monkeypatch.setattr(remote.atexit, "register", registered.append)
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path))
    label(tmp_path / "whole")
    stored = StoredTeacher(f"file://{tmp_path}/whole")
    assert stored.folder.parent == tmp_path and stored.folder != tmp_path / "whole"
    (remove,) = registered
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)  # A child's exit leaves it.
        remove()
    assert stored.folder.exists()
    remove()
    assert not stored.folder.exists()


def test_nothing_is_labelled_into_a_url():
    with pytest.raises(ValueError, match="must be a folder.*directory='memory://b/x'"):
        store.label(cnn("teacher", 8), np.zeros((2, 8, 8, 3)), "memory://b/x")
