"""Run the regimes and write their table."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from phone.cache import Cache
from timing import versions

from keras_kd.files import written_together

from ..boards import Board, Images
from ..running import trained_teacher
from .setting import Regime, Setting


def run_regimes(
    board: Board,
    regimes: Sequence[Regime],
    seeds: Sequence[int],
    folder: Path,
    out: Path,
    command: str,
) -> dict[str, Any]:
    """Train each regime from each seed; what is in `folder` already is not run again.

    Args:
        board: gives networks, data and budget.
        regimes: which.
        seeds: ints.
        folder: path, for finished runs and the teacher.
        out: path of the folder of the tables.
        command: str, how this was called.

    Returns:
        What the JSON holds.
    """
    images = board.data.load()
    kept = Cache(folder / "teacher", board.teacher_settings())
    teacher = trained_teacher(board, images, kept)
    cache = Cache(folder / f"regimes-{board.name}", board.settings())
    rows = []
    for number, regime in enumerate(regimes, 1):
        runs = [
            cache.record(
                f"{regime.name}_{seed}",
                lambda: _run(board, images, teacher, regime, seed),  # noqa: B023
            )
            for seed in seeds
        ]
        row = _row(regime, runs)
        rows.append(row)
        print(
            f"  {number}/{len(regimes)} {regime.name}: {row['accuracy']:.1%}, "
            f"{row['seconds']:.0f} s {row['note']}",
            flush=True,
        )
    setting = Setting(board, images, teacher, 0)
    found = {
        "versions": versions(),
        "command": command,
        "board": board.name,
        "about": f"{board.about}, {len(setting.x)} images of {board.data.name}, "
        f"{board.learning.epochs} epochs",
        "seeds": len(seeds),
        "teacher": setting.accuracy(teacher),
        "rows": rows,
    }
    words = markdown(found)
    with written_together() as write:
        write(out / "regimes.json", (json.dumps(found, indent=1) + "\n").encode())
        write(out / "regimes.md", words.encode())
    print(f"\n{words}\nwritten to {out}/regimes.md and .json")
    return found


def markdown(found: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = [
        "# Every regime once",
        "",
        f"{found['about']}; {found['seeds']} seed(s). The teacher has "
        f"{found['teacher']:.1%}. Epochs are all that a regime trained, teachers of "
        "its own included.",
        "",
        "| regime | accuracy | ± | epochs | seconds | note |",
        "|---|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| `{row['name']}`: {row['about']} | {row['accuracy']:.1%} | "
        f"{_percent(row['error'])} | {row['epochs']:g} | {row['seconds']:.0f} | "
        f"{row['note']} |"
        for row in found["rows"]
    ]
    return "\n".join([*lines, "", f"`{found['command']}`", ""])


def _run(
    board: Board, images: Images, teacher: keras.Model, regime: Regime, seed: int
) -> dict[str, Any]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    setting, start = Setting(board, images, teacher, seed), _cpu_seconds()
    given = regime.run(setting)
    student, figures = given if isinstance(given, tuple) else (given, {})
    seconds = _cpu_seconds() - start
    return {
        "accuracy": setting.accuracy(student),
        "epochs": setting.passes,
        "seconds": round(seconds, 1),
        "parameters": student.count_params(),
        "figures": {words: float(figure) for words, figure in figures.items()},
    }


def _note(runs):
    """The means of what the runs tell; where one tells more, of those that do."""
    words = dict.fromkeys(word for figures in runs for word in figures)
    return ", ".join(
        word.format(np.mean([found[word] for found in runs if word in found]))
        for word in words
    )


def _percent(value):
    return "–" if value is None else f"{value:.1%}"


def _cpu_seconds():
    """Of this process and of those it has started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _row(regime, runs):
    accuracies = [run["accuracy"] for run in runs]
    several = len(runs) > 1
    spread = np.std(accuracies, ddof=1) / np.sqrt(len(runs)) if several else None
    return {
        "name": regime.name,
        "about": regime.about,
        "topic": regime.topic,
        "accuracy": float(np.mean(accuracies)),
        "error": spread and float(spread),
        "epochs": runs[0]["epochs"],
        "seconds": float(np.mean([run["seconds"] for run in runs])),
        "note": _note([run["figures"] for run in runs]),
        "runs": accuracies,
    }
