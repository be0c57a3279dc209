"""Two writers on one range are refused; a dead writer's lock is free."""

import os
import signal
import threading
import time

import pytest

from keras_kd.store.layout import LOCKS
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.locks import StoreBusyError, locked
from keras_kd.store.rows.ranges import RangeWriter
from tests.store.small import begun, contents, label, manifest, write_range

needs_fork = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def folder(tmp_path):
    create(tmp_path / "store", manifest())
    return tmp_path / "store"


def test_two_writers_of_one_process(folder):
    with RangeWriter(folder, manifest()) as one, RangeWriter(folder, manifest()) as two:
        for _ in range(20):
            with one.claim(0):
                with pytest.raises(StoreBusyError) as caught:
                    with two.claim(0):
                        pass
                with two.claim(1):
                    pass
        assert str(caught.value) == (
            f"Another process is writing rows 0 to 3 of {folder}: let it end, or take "
            "another shard."
        )
        write_range(two, 0)


def test_a_range_that_another_has_finished(folder):
    with RangeWriter(folder, manifest()) as one, RangeWriter(folder, manifest()) as two:
        undone = two.undone()
        write_range(one, undone[0])
        with pytest.raises(StoreBusyError, match="just finished rows 0 to 3"):
            write_range(two, undone[0])


class TestProcesses:
    pytestmark = needs_fork

    def held(self, folder):
        """A process that holds range 0."""
        reader, writer = os.pipe()

        def hold():
            with RangeWriter(folder, manifest()) as ranges, ranges.claim(0):
                os.write(writer, b"!")
                signal.pause()

        child = begun(hold)
        os.read(reader, 1)
        os.close(reader), os.close(writer)
        return child

    def test_two_processes_and_a_killed_one(self, folder):
        for _ in range(10):
            child = self.held(folder)
            try:
                with pytest.raises(StoreBusyError, match="rows 0 to 3"):
                    label(folder)
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        assert label(folder) == [0, 1]

    def test_many_begin_at_once(self, tmp_path):
        """Shards that make the store together, and close it together."""
        whole = tmp_path / "whole"
        label(whole, manifest(examples=30))
        for trial in range(5):
            folder = tmp_path / str(trial)
            children = [
                begun(
                    lambda i=i, to=folder: label(
                        to, manifest(examples=30), shard=(i, 4)
                    )
                )
                for i in range(4)
            ]
            assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
            label(folder, manifest(examples=30))
            assert contents(folder) == contents(whole)

    def test_without_shards_one_goes_on_and_the_others_are_refused(self, tmp_path):
        whole = tmp_path / "whole"
        label(whole, manifest(examples=60))
        for trial in range(5):
            folder = tmp_path / str(trial)
            children = [
                begun(lambda to=folder: label(to, manifest(examples=60)))
                for _ in range(3)
            ]
            for child in children:
                os.waitpid(child, 0)
            label(folder, manifest(examples=60))
            assert contents(folder) == contents(whole)


def test_one_waits_for_the_other(tmp_path):
    order = []

    def second():
        with locked(tmp_path / "locks" / "a.lock"):
            order.append("second")

    with locked(tmp_path / "locks" / "a.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_whose_folder_is_removed_while_one_waits(tmp_path):
    """As the process that finishes a store does."""
    taken = threading.Event()

    def second():
        with locked(tmp_path / LOCKS / "a.lock"):
            taken.set()

    with locked(tmp_path / LOCKS / "a.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        (tmp_path / LOCKS / "a.lock").unlink()
        (tmp_path / LOCKS).rmdir()
    thread.join(5)
    assert taken.is_set()
