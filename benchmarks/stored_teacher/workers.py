"""Labelling with two processes against one, and what two cores give at all."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .task import Task

ONE_THREAD = {
    name: "1"
    for name in (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    )
}
OF_WHAT_WAS_ALLOWED = "of what was allowed"


def workers(task: Task) -> dict[str, Any]:
    """Rows a second of `keras-kd label --workers 1` and `2`.

    Each takes a short and a long labelling, and the rate is that of the rows that the
    long one has more: so the start of the processes does not count.
    """
    few, many = (256, 512) if task.repeats < 5 else (1024, 9216)
    turns, seconds = (1, 0.5) if task.repeats < 5 else (3, 4.0)
    rates: dict[str, list[float]] = {"1": [], "2": []}
    alone: dict[str, list[float]] = {"1": [], "2": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task.teacher.save(folder / "teacher.keras")
        for rows in (few, many):
            places = np.arange(rows) % len(task.x)
            np.savez(folder / f"{rows}.npz", x=task.x[places], y=task.y[places])
        for turn in range(turns):
            for count in ("1", "2") if turn % 2 == 0 else ("2", "1"):
                taken = [labelled(folder, rows, count, turn) for rows in (few, many)]
                rates[count].append((many - few) / max(taken[1] - taken[0], 1e-3))
                alone[count].append(batches_a_second(folder, int(count), seconds))
                print(".", end="", flush=True)
    print()
    middle = {count: statistics.median(found) for count, found in rates.items()}
    limit = {count: statistics.median(found) for count, found in alone.items()}
    gain, allowed = middle["2"] / middle["1"], limit["2"] / limit["1"]
    return {
        "rows a second": {count: round(rate) for count, rate in middle.items()},
        "gain": gain,
        "cores": cores(),
        "allowed": allowed,
        OF_WHAT_WAS_ALLOWED: gain / allowed,
    }


def labelled(folder: Path, rows: int, count: str, turn: int) -> float:
    """Seconds of one run of the command."""
    command = [
        *(sys.executable, "-m", "keras_kd", "label"),
        *("--teacher", str(folder / "teacher.keras")),
        *("--data", str(folder / f"{rows}.npz")),
        *("--out", str(folder / f"store-{rows}-{count}-{turn}")),
        *("--workers", count, "--engine", "tensorflow", "--range-rows", "128"),
    ]
    begin = time.perf_counter()
    with on_cores(int(count)):
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
    return time.perf_counter() - begin


def batches_a_second(folder: Path, count: int, seconds: float) -> float:
    """What some processes do together that run the teacher and nothing else."""
    benchmarks = str(Path(__file__).parent.parent)
    path = os.pathsep.join([benchmarks, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "stored_teacher.alone"]
    command += [str(folder / "teacher.keras"), str(seconds)]
    with on_cores(count):
        running = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
            )
            for _ in range(count)
        ]
    told = []
    try:
        for process in running:
            process.stdout.readline()
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        told = [float(process.communicate()[0]) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return sum(told)


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """What is started inside has as many cores, where the system can say so.

    One worker would otherwise take all of them for its threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> str:
    """The machine in a sentence."""
    return f"Measured on {cores()} cores of an {platform.machine()} machine."
