"""The tables as JSON, as Markdown and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import versions

from . import picture, table
from .boards import Board
from .entries import Entry
from .records import Records


def publish(
    every: Sequence[Records],
    asked: Sequence[Board],
    entries: Sequence[Entry],
    seeds: int,
    command: str,
    out: Path,
    instead: Path | None = None,
) -> dict[str, Any]:
    """Write `leaderboard.json`, `.md` and `.png`.

    Args:
        every: records of all boards; those without a run are left out.
        asked: the boards of this call, whose missing runs are named.
        entries: the candidates of this call.
        seeds: int, how many runs each should have.
        command: str, how the tables were made.
        out: path of the folder.
        instead: path of the folder to write to where the tables in `out` rest on
            more runs, or None to replace those. Defaults to None.

    Returns:
        What the JSON holds.
    """
    boards = []
    for records in every:
        path = records.teacher.path / "accuracy.json"
        if not path.exists():
            continue
        wanted = entries if records.board in asked else ()
        board = table.board_of(records, json.loads(path.read_text()), wanted, seeds)
        if board["rows"]:
            boards.append(board)
    lines = table.by_method(boards)
    found = {
        "versions": versions(),
        "command": command,
        "boards": boards,
        "by_method": lines,
        "by_loss": table.by_loss(lines),
    }
    words = table.markdown(boards, command)
    fewer = _runs(found) < _runs_in(out / "leaderboard.json")
    if instead is not None and fewer:
        print(f"{out} has tables of more runs, which stay; --out {out} replaces them.")
        out = instead
    out.mkdir(parents=True, exist_ok=True)
    (out / "leaderboard.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "leaderboard.md").write_text(words)
    picture.draw(boards, out / "leaderboard.png")
    print(f"\n{words}\nwritten to {out}/leaderboard.md, .json and .png")
    return found


def _runs(found: dict[str, Any]) -> int:
    return sum(row["n"] for board in found["boards"] for row in board["rows"])


def _runs_in(path: Path) -> int:
    return _runs(json.loads(path.read_text())) if path.exists() else 0
