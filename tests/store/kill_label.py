"""Kills `keras_kd.store.label` in children of a process that never ran TensorFlow.

    python -m tests.store.kill_label FOLDER

TensorFlow is imported once, and runs only in the children, each of which ends by
SIGKILL in the middle of its work, or well.
"""

import signal
import sys
from pathlib import Path

import keras
import numpy as np

from keras_kd import FrozenTeacher
from keras_kd.store import StoredTeacher, label
from tests.store.small import contents, forked, killer, watched

KILLS = (("pwrite", 4, "in"), ("replace", 1, "before"), ("replace", 2, "before"))
"""In the rows of the second range; as the third is marked; before `checksums.json`."""


def labelled(folder):
    """A teacher's pass over two views of 16 examples, in four ranges."""
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    keras.utils.set_random_seed(1)
    layers = [keras.Input((8,)), keras.layers.Dense(5)]
    teacher = FrozenTeacher(keras.Sequential(layers, name="teacher"))
    label(teacher, x, folder, views=2, batch_size=4, range_rows=8, verbose=0)
    StoredTeacher(folder)


def killed_at(folder, call, number, when):
    """Whether a labelling ends by a kill at that call."""

    def work():
        with watched(killer(number, when), [call]):
            labelled(folder)

    return forked(work) == -signal.SIGKILL


def main(folder):
    whole, killed = folder / "whole", folder / "killed"
    if forked(lambda: labelled(whole)):
        raise SystemExit("the labelling that nothing stops failed")
    for done, kill in zip((1, 2, 4), KILLS, strict=True):
        if not killed_at(killed, *kill):
            raise SystemExit(f"not killed at {kill}")
        if len(list((killed / "done").glob("0*.json"))) != done:
            raise SystemExit(f"killed too early or too late: {kill}")
        print("killed at", *kill)
    if forked(lambda: labelled(killed)):
        raise SystemExit("not resumed")
    if contents(killed) != contents(whole):
        raise SystemExit("other bytes than those of one run")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
