"""Ratios that hold on a noisy machine: everything in one process, in turn.

Each round runs every candidate once, in an order that rotates; a ratio is taken
within its round, and the median over the rounds is reported with its quartiles.
CPU time is the time of all threads of the process.
"""

from __future__ import annotations

import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def rounds(
    candidates: Mapping[str, Callable[[], None]], repeats: int, warmup: int = 1
) -> dict[str, list[float]]:
    """CPU seconds of each candidate in each round."""
    return clocked(candidates, repeats, warmup)[0]


def clocked(
    candidates: Mapping[str, Callable[[], None]], repeats: int, warmup: int = 1
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """CPU seconds and wall seconds of each candidate in each round."""
    names = list(candidates)
    clocks = (time.process_time, time.perf_counter)
    seconds: tuple[dict[str, list[float]], ...] = tuple(
        {name: [] for name in names} for _ in clocks
    )
    for turn in range(warmup + repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            starts = [clock() for clock in clocks]
            candidates[name]()
            if turn >= warmup:
                for taken, clock, start in zip(seconds, clocks, starts, strict=True):
                    taken[name].append(clock() - start)
        print(".", end="", flush=True)
    print()
    return seconds


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """The median and the quartiles of a ratio taken round by round."""
    values = [a / b for a, b in zip(above, below, strict=True)]
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def versions() -> dict[str, str]:
    """What ran the benchmark."""
    import keras
    import tensorflow

    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tensorflow.__version__,
    }


def write(
    name: str, result: dict, table: str, folder: Path = RESULTS, told: bool = True
) -> None:
    """`<name>.json` and `.md`, for README and for the next run to compare."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"versions": versions(), **result}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n")
    (folder / f"{name}.md").write_text(table)
    if told:
        print(f"\n{table}\nwritten to {folder / name}.md and .json")
