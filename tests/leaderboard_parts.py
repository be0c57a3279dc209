"""The leaderboard's modules, and a board of one epoch, for the tests."""

import contextlib
import dataclasses
import importlib
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
OWN = ("leaderboard", "phone", "timing", "demo", "models")


@contextlib.contextmanager
def modules(*names):
    """The benchmark's modules by name, and no trace of them afterwards."""
    path, loaded = [*sys.path], set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(f"leaderboard.{name}") for name in names}
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - loaded:
            if name.partition(".")[0] in OWN:
                del sys.modules[name]


def small(parts):
    """Digits, one epoch of 64 images."""
    found = parts["boards"].BOARDS["digits-resnet_resnet"].shortened()
    return dataclasses.replace(
        found,
        data=dataclasses.replace(found.data, student=64, teacher=64, test=100),
        teaching=dataclasses.replace(found.teaching, epochs=1),
        learning=dataclasses.replace(found.learning, epochs=1),
    )
