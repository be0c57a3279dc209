"""Files run in a program of another environment, which may refuse them or crash."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Answers = dict[str, np.ndarray]


class Refused(Exception):
    """A client would not run a file; its own words."""


def run_jobs(
    command: Sequence[str],
    jobs: Sequence[dict[str, Any]],
    folder: Path,
    timeout: float = 600,
    **options: Any,
) -> dict[str, Answers | Refused]:
    """Have a program run files, started again after the file that crashed it.

    The program is called with the path of a JSON file of jobs, each with a `path`,
    the `inputs` (name to `.npy`) and a folder `out`. For each it prints one JSON
    line `{"begin": path}`, then `{"done": path}` with the outputs as `.npy` in
    `out`, or `{"refused": why}`.

    Args:
        command: The program, without its argument.
        jobs: The jobs, each with its own `path`.
        folder: Where jobs and outputs are written.
        timeout: Float. Seconds that one start of the program may take.
        options: For `subprocess.run`.

    Returns:
        By path, the raw outputs by name, or the refusal.
    """
    left = {
        job["path"]: {**job, "out": str(folder / str(number))}
        for number, job in enumerate(jobs)
    }
    found: dict[str, Answers | Refused] = {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    while left:
        listed = folder / "jobs.json"
        listed.write_text(json.dumps(list(left.values())))
        done = subprocess.run(
            [*command, str(listed)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            **options,
        )
        before = len(left)
        path = None
        for line in done.stdout.splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            path = said.get("begin", path)
            if "refused" in said:
                found[path] = Refused(said["refused"])
                del left[path]
            elif "done" in said:
                found[path] = outputs_in(Path(left.pop(path)["out"]))
        if path in left:
            found[path] = Refused(crash(done))
            del left[path]
        if len(left) == before:
            raise RuntimeError(f"{command[0]} did no job: {done.stderr[-2000:]}")
    return found


def outputs_in(folder: Path) -> Answers:
    """The `.npy` files of a folder by name."""
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def crash(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended, and the last that it said."""
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return f"the process ended with {done.returncode}: {last}"
