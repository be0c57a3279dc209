"""A full disk is a clear error that keeps what was done."""

import errno
import os
import re
import shutil
import subprocess

import pytest

from keras_kd.store.rows.checksums import done_ranges
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.full_disk import StoreFullError
from keras_kd.store.rows.ranges import RangeWriter
from tests.store.small import (
    contents,
    forked,
    label,
    manifest,
    steps_of,
    watched,
    write_range,
)

SENTENCE = re.compile(
    r"of 7 rows are kept; [\d,]+ more bytes are needed, [\d,]+ are free, [\d,]+ are "
    r"missing\. Make room, then run the same command again"
)
WRITING = ("open", "mkdir", "pwrite", "fsync", "posix_fallocate", "ftruncate")
"""What says that there is no room."""


def full_at(number, code):
    """The disk is full from a step on."""

    def at_step(step, name, args, call):
        makes = name != "open" or args[1] & os.O_CREAT
        if step >= number and name in WRITING and makes:
            raise OSError(code, os.strerror(code))
        return call()

    return at_step


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_at_each_step(tmp_path, code):
    label(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    kept_some, every = 0, 1 if code == errno.ENOSPC else 7
    steps = len(steps_of(lambda: label(tmp_path / "counted")))
    for step in range(0, steps, every):
        folder = tmp_path / str(step)
        folder.mkdir()
        try:
            with watched(full_at(step, code)):
                label(folder)
        except StoreFullError as error:
            assert error.errno == code and SENTENCE.search(str(error)), error
            kept = set(done_ranges(folder, manifest()))
            rows = sum(len(manifest().layout.rows_of(number)) for number in kept)
            assert f"{rows} of 7 rows are kept" in str(error)
            kept_some += bool(kept)
            assert not kept & set(label(folder))
        assert contents(folder) == whole
    assert kept_some > 0


def test_other_errors_are_handed_on(tmp_path):
    with watched(full_at(8, errno.EIO)), pytest.raises(OSError) as caught:
        label(tmp_path / "store")
    assert caught.value.errno == errno.EIO
    assert not isinstance(caught.value, StoreFullError)


def test_no_room_from_the_beginning_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0)
    )
    with pytest.raises(StoreFullError) as caught:
        label(tmp_path / "store")
    needed = sum([128 + 7 * 10, 128 + 7 * 6, 128 + 7 * 4])
    assert (
        f"0 of 7 rows are kept; {needed} more bytes are needed, 0 are free, {needed} "
        "are missing" in str(caught.value)
    )
    assert [
        name for name, content in contents(tmp_path / "store").items() if content
    ] == []


def test_all_bytes_are_reserved_at_once(tmp_path):
    create(tmp_path / "store", manifest(examples=20000, range_rows=1024))
    for path in (tmp_path / "store").glob("*.npy"):
        assert path.stat().st_blocks * 512 >= path.stat().st_size


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_limit_of_the_system(tmp_path):
    """A process that may write files of 4096 bytes at most."""
    import resource

    wanted = manifest(examples=800, range_rows=100)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            label(tmp_path / "store", wanted)
        except StoreFullError as error:
            if "0 of 800 rows are kept" in str(error):
                os._exit(7)

    assert forked(limited) == 7
    assert len(label(tmp_path / "store", wanted)) == 8


def test_a_file_system_that_is_full(tmp_path):
    """A real one, of 256 kB, where the test may mount it: filled behind our back."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)],
            check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the system lets this test mount nothing")
    try:
        wanted = manifest(examples=200, range_rows=50)
        with RangeWriter(mounted / "store", create(mounted / "store", wanted)) as half:
            write_range(half, 0)
            write_range(half, 1)
        with open(mounted / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while filler.write(bytes(4096)):
                    pass
        with pytest.raises(StoreFullError, match="100 of 200 rows are kept"):
            label(mounted / "store", wanted)
        with pytest.raises(StoreFullError, match="0 of 60,000 rows are kept"):
            label(mounted / "large", manifest(examples=60000))
        (mounted / "filler").unlink()
        assert label(mounted / "store", wanted) == [2, 3]
        label(tmp_path / "whole", wanted)
        assert contents(mounted / "store") == contents(tmp_path / "whole")
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)
