"""A store of a few rows, labelled by arithmetic, and what its folder holds."""

import contextlib
import os
import signal

import numpy as np

from keras_kd.store.fields import Int8, Leaf, Whole
from keras_kd.store.layout import Layout
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.ranges import RangeWriter

BATCH = 3


def manifest(examples=7, views=1, range_rows=4, **more):
    """Two taps in three files."""
    leaves = (
        Leaf("output", (), Whole((5,), "float16"), "output"),
        Leaf("block", (), Int8((2, 3)), "block"),
    )
    given = {"batch_size": BATCH, "seed": 0, "identities": {}} | more
    return Manifest(Layout(examples, views, range_rows), leaves, **given)


def features(rows):
    """What a teacher would leave: its own numbers for each row."""
    numbers = np.arange(rows.start, rows.stop, dtype="float32")[:, None]
    output = np.sin(numbers * 7 + np.arange(5))
    return {"output": output, "block": np.cos(numbers + np.arange(6)).reshape(-1, 2, 3)}


def write_range(writer, number):
    """Label one range."""
    with writer.claim(number):
        for rows in writer.manifest.layout.batches(number, BATCH):
            writer.write(rows, features(rows))
        writer.finish(number)


def label(folder, wanted=None, shard=(0, 1)):
    """As `keras_kd.store.label`, without a teacher; returns the ranges it wrote."""
    stored = create(folder, wanted or manifest())
    with RangeWriter(folder, stored) as writer:
        undone = writer.undone(shard)
        for number in undone:
            write_range(writer, number)
        writer.complete()
    return undone


def contents(folder):
    """Every file and folder in it, and the files' bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def begun(work):
    """A child of this process that runs `work()`; its code is 0 if that ends well."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def forked(work):
    """Run `work()` in a child of this process, and wait for it.

    Returns:
        The child's exit code, or minus the signal that killed it.
    """
    return os.waitstatus_to_exitcode(os.waitpid(begun(work), 0)[1])


CALLS = (
    "open", "pwrite", "fsync", "replace", "unlink", "rmdir", "mkdir", "ftruncate",
    "posix_fallocate",
)  # fmt: skip
"""What changes a disk."""


@contextlib.contextmanager
def watched(at_step, calls=CALLS):
    """Have `at_step(number, name, arguments, call)` stand in for calls of `os`."""
    real = {name: getattr(os, name) for name in calls}
    count = iter(range(10**6))

    def standing_in(name):
        def call(*args, **kwargs):
            return at_step(next(count), name, args, lambda: real[name](*args, **kwargs))

        return call

    for name in calls:
        setattr(os, name, standing_in(name))
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def killer(number, when):
    """An `at_step` that ends its own process before a step, or in the middle of it."""

    def at_step(step, name, args, call):
        if step != number:
            return None if name == "fsync" else call()
        if when == "in" and name == "pwrite":
            half = bytes(args[1])[: len(args[1]) // 2]
            os.lseek(args[0], args[2], os.SEEK_SET)
            os.write(args[0], half)
        if when == "in" and name == "fsync":  # of a text that is written in one go
            path = os.readlink(f"/proc/self/fd/{args[0]}")
            if path.endswith(".tmp") and ".npy" not in path:
                os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    return at_step


def steps_of(work):
    """The steps that `work()` takes, by the names of their calls."""
    taken = []

    def at_step(step, name, args, call):
        taken.append(name)
        return None if name == "fsync" else call()

    with watched(at_step):
        work()
    return taken
