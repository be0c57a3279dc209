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
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warmup + repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            start = time.process_time()
            candidates[name]()
            if turn >= warmup:
                seconds[name].append(time.process_time() - start)
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


def write(name: str, result: dict, table: str) -> None:
    """`results/<name>.json` and `.md`, for README and for the next run to compare."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"versions": versions(), **result}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    (RESULTS / f"{name}.md").write_text(table)
    print(f"\n{table}\nwritten to {RESULTS / name}.md and .json")
