"""Killed at any step, a labelling goes on where it was and ends in the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_kd.store.rows.checksums import done_ranges
from keras_kd.store.stored import StoredTeacher
from tests.store.small import (
    begun,
    contents,
    features,
    forked,
    killer,
    label,
    manifest,
    steps_of,
    watched,
)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a labelling that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    label(folder)
    return contents(folder)


@pytest.fixture
def quick(monkeypatch):
    """A killed process loses nothing that the system has: no need to wait for it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def kills(steps):
    """`(step, when)`: before each step, and in the middle of each that writes."""
    for step, name in enumerate(steps):
        yield step, "before"
        if name in ("pwrite", "fsync"):
            yield step, "in"


def killed_at(step, when, work):
    def run():
        with watched(killer(step, when)):
            work()

    return forked(run) == -signal.SIGKILL


def test_a_labelling_leaves_its_files_alone(whole):
    assert set(whole) == {
        "manifest.json", "checksums.json", "output.values.npy", "block.codes.npy",
        "block.scale.npy",
    }  # fmt: skip


def test_killed_at_each_step(tmp_path, quick, whole):
    steps = steps_of(lambda: label(tmp_path / "counted"))
    assert steps.count("pwrite") == 12 and steps.count("replace") > 6
    for step, when in kills(steps):
        folder = tmp_path / f"{step}{when}"
        assert killed_at(step, when, lambda to=folder: label(to)), step
        # The manifest and three files come first, then the marks of two ranges.
        marked = min(max(steps[:step].count("replace") - 4, 0), 2)
        done = set(done_ranges(folder, manifest()))
        assert len(done) == marked, "a finished range is forgotten"
        assert not done & set(label(folder)), "a finished range was written again"
        assert contents(folder) == whole, (step, when)
    assert not killed_at(len(steps), "before", lambda: label(tmp_path / "last"))


def test_killed_again_and_again(tmp_path, quick, whole):
    drawn = random.Random(0)
    for trial in range(8):
        folder, killed = tmp_path / str(trial), 0
        for _ in range(3):
            step, when = drawn.randrange(30), drawn.choice(("before", "in"))
            killed += killed_at(step, when, lambda to=folder: label(to))
        assert killed
        label(folder)
        assert contents(folder) == whole


def test_killed_by_the_clock(tmp_path, whole):
    """From outside, wherever it is: inside a system call as well."""
    drawn, killed = random.Random(1), 0
    start = time.perf_counter()
    forked(lambda: label(tmp_path / "timed"))
    whole_time = time.perf_counter() - start
    for trial in range(12):
        folder = tmp_path / str(trial)
        child = begun(lambda to=folder: label(to))
        time.sleep(drawn.uniform(0, whole_time))
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        killed += status == -signal.SIGKILL
        label(folder)
        assert contents(folder) == whole
    assert killed


def test_killed_at_each_step_of_a_repair(tmp_path, quick, whole):
    def damaged(folder):
        label(folder)
        path = folder / "block.codes.npy"
        content = bytearray(path.read_bytes())
        content[-1] ^= 8
        path.write_bytes(content)
        return folder

    counted = damaged(tmp_path / "counted")
    steps = steps_of(lambda: label(counted))
    assert contents(counted) == whole
    for step in range(len(steps)):
        folder = damaged(tmp_path / str(step))
        assert killed_at(step, "before", lambda to=folder: label(to)), step
        label(folder)
        assert contents(folder) == whole, step


def test_several_shards_that_are_killed_and_begun_again(tmp_path, quick, whole):
    drawn = random.Random(2)
    folder = tmp_path / "store"
    for _ in range(6):
        shard = (drawn.randrange(2), 2)
        killed_at(drawn.randrange(40), "in", lambda s=shard: label(folder, shard=s))
    for index in range(2):
        label(folder, shard=(index, 2))
    assert contents(folder) == whole
    stored = StoredTeacher(folder).gather([6])["output"]
    np.testing.assert_allclose(stored, features(range(6, 7))["output"], atol=1e-3)


@pytest.mark.slow
def test_the_real_labelling_is_killed(tmp_path):
    """With a teacher, views and tf.data: in processes of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.kill_label", str(tmp_path)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("killed at") == 3
