"""What a teacher costs: live and folded, labelled once, read from a store.

    python benchmarks/stored_teacher.py [--fast]
        [--parts live labelling reading epochs accuracy workers]

The parts run one after the other, and each is written as it ends; what is not run now
keeps its figures of an earlier run. `--fast` is a look at all of them in a minute or
two, written to `build/stored_teacher/`, whose figures say nothing.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from stored_teacher import picture, table, workers  # noqa: E402
from stored_teacher.accuracy import accuracy  # noqa: E402
from stored_teacher.epochs import epochs  # noqa: E402
from stored_teacher.live import labelling, live_steps  # noqa: E402
from stored_teacher.reading import reading  # noqa: E402
from stored_teacher.task import prepared  # noqa: E402
from timing import RESULTS, write  # noqa: E402

NAME = "stored_teacher"
PARTS = ("live", "labelling", "reading", "epochs", "accuracy", "workers")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the parts, write table and picture after each; returns all figures."""
    options = parser().parse_args(arguments)
    folder = options.out or (Path("build", NAME) if options.fast else RESULTS)
    found = earlier(folder)
    left = chosen(options.parts, options.fast)
    for name in list(left):
        print(name, flush=True)
        begin = time.perf_counter()
        found[name] = left.pop(name)()
        print(f"  {time.perf_counter() - begin:.0f} seconds", flush=True)
        publish(found, folder, told=not left)
    return found


def chosen(names: list[str], fast: bool) -> dict[str, Callable[[], dict]]:
    """The parts by name; the teacher is trained for the first that needs it."""
    task = functools.cache(lambda: prepared(fast))
    every = {
        "live": lambda: live_steps(task()),
        "labelling": lambda: labelling(task()),
        "reading": lambda: reading(fast),
        "epochs": lambda: epochs(task()),
        "accuracy": lambda: accuracy(fast),
        "workers": lambda: workers.workers(task()),
    }
    return {name: every[name] for name in PARTS if name in names}


def earlier(folder: Path) -> dict[str, Any]:
    """The figures that lie in the folder."""
    path = folder / f"{NAME}.json"
    return json.loads(path.read_text())["parts"] if path.exists() else {}


def publish(parts: dict[str, Any], folder: Path, told: bool) -> None:
    """Write the figures, the table and the picture; show the table, or do not yet."""
    parts = {name: parts[name] for name in PARTS if name in parts}
    figures = {"goals": table.reached(parts), "parts": parts}
    write(NAME, figures, table.markdown(parts, workers.machine()), folder, told)
    picture.draw(parts, folder / f"{NAME}.png")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all"
    )
    found.add_argument("--fast", action="store_true", help="a short look")
    found.add_argument(
        "--out", type=Path, help="folder of the results (default: benchmarks/results)"
    )
    return found


if __name__ == "__main__":
    main()
