"""Runs as rows: means, deviations, the share of the gap that is closed; as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .entries import ENTRIES, LEFT_OUT, NO_TEACHER, Entry
from .records import Records

ENOUGH = 3
"""Runs under which a mean is marked."""


def board_of(
    records: Records, teacher: float, entries: Sequence[Entry], seeds: int
) -> dict[str, Any]:
    """Everything about one pair: settings, rows from the best to the worst.

    Args:
        records: of the board.
        teacher: float, the teacher's accuracy.
        entries: candidates that were wanted; others with runs are shown as well.
        seeds: int, how many runs each should have.
    """
    kinds = records.board.kinds
    wanted = {entry.name for entry in entries}
    everything = {
        entry.name: entry
        for entry in (*ENTRIES.values(), *entries)
        if entry.suits(*kinds)
    }
    runs = {name: records.of(entry) for name, entry in everything.items()}
    base = runs[NO_TEACHER]
    rows = [
        _row(entry, runs[name], base, teacher)
        for name, entry in everything.items()
        if runs[name]
    ]
    rows.sort(key=lambda row: -row["accuracy"])
    missing = []
    for name in everything:
        seen = {run["seed"] for run in runs[name]}
        left = [str(seed) for seed in range(seeds) if seed not in seen]
        if name in wanted and left:
            missing.append(f"{name} (seeds {', '.join(left)})" if seen else name)
    board = records.board
    return {
        "data": board.data.name,
        "pair": board.pair,
        "about": board.about,
        "same_kind": len(set(kinds)) == 1,
        "settings": board.settings(),
        "teacher": {"accuracy": teacher, "parameters": records.parameters["teacher"]},
        "student": {"parameters": records.parameters["student"]},
        "rows": rows,
        "missing": missing,
    }


def _row(entry: Entry, runs: list, base: list, teacher: float) -> dict[str, Any]:
    accuracies = [run["accuracy"] for run in runs]
    mean = statistics.fmean(accuracies)
    plain = statistics.fmean(r["accuracy"] for r in base) if base else None
    gap = None
    if plain is not None and teacher > plain:
        gap = round((mean - plain) / (teacher - plain), 4)
    first = runs[0]
    return {
        "method": entry.name,
        "family": entry.family,
        "call": first["call"],
        "hard_loss_weight": first["hard_loss_weight"],
        "losses": sorted({term["loss"] for term in first["terms"]}),
        "accuracy": round(mean, 5),
        "sd": round(statistics.stdev(accuracies), 5) if len(runs) > 1 else None,
        "n": len(runs),
        "gap_closed": gap,
        "cpu_seconds": round(statistics.median(r["cpu_seconds"] for r in runs), 2),
        "seconds_ratio": _times(runs, base),
        "learned_with": first["learned_with"],
        "parameters": first["parameters"],
        "diverged": sum(run["diverged"] for run in runs),
        "runs": [{key: run[key] for key in ("seed", "accuracy")} for run in runs],
    }


def _times(runs: list, base: list) -> float | None:
    """CPU time of a step against the student's alone, medians over the runs."""
    above = [run["step_ms"] for run in runs if run["step_ms"]]
    below = [run["step_ms"] for run in base if run["step_ms"]]
    if not above or not below:
        return None
    return round(statistics.median(above) / statistics.median(below), 2)


def by_method(boards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """One line for each method, from the first board that has it; others beneath."""
    found: dict[str, dict[str, Any]] = {}
    for board in boards:
        plain = next((r for r in board["rows"] if r["method"] == NO_TEACHER), None)
        for row in board["rows"]:
            if "+" in row["method"]:
                continue
            line = {
                **{key: board[key] for key in ("data", "pair", "about")},
                **{key: row[key] for key in ("accuracy", "sd", "n", "gap_closed")},
                "no_teacher": plain["accuracy"] if plain else None,
                "teacher": board["teacher"]["accuracy"],
                "seconds_ratio": row["seconds_ratio"],
            }
            if row["method"] in found:
                found[row["method"]]["elsewhere"].append(line)
                continue
            command = f"--data {board['data']} --pairs {board['pair']}"
            found[row["method"]] = {
                **line,
                "losses": row["losses"],
                "command": f"python benchmarks/leaderboard.py {command}",
                "elsewhere": [],
            }
    return found


def by_loss(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Which methods show what a loss is worth."""
    found: dict[str, list[str]] = {}
    for method, line in methods.items():
        for loss in line["losses"]:
            found.setdefault(loss, []).append(method)
    return dict(sorted(found.items()))


def markdown(boards: Sequence[Mapping[str, Any]], command: str) -> str:
    """All boards as tables, with what they rest on."""
    parts = [
        "# The small leaderboard",
        "One student by each method of `keras_kd.methods`, from the same initial "
        "weights by seed, with the same images, augmentation, batches, optimizer, "
        "schedule and number of steps; the weights of the last epoch, tested once. "
        "Nothing was tuned for a method: weights are the published ones, also where "
        "they do not suit so small a budget. Gap closed: (accuracy − no teacher) / "
        "(teacher − no teacher). Step: CPU time of a training step against the "
        "student's alone. A set of taps stands for pairs of one name. "
        f"Fewer than {ENOUGH} runs are marked with *. These are small networks trained "
        "for minutes: differences of a standard deviation mean nothing, and the order "
        "may be another one at full size.",
        f"The last call:\n\n    {command}",
    ]
    parts += [_table(board) for board in boards]
    if LEFT_OUT:
        lines = [f"- `{name}`: {reason}" for name, reason in LEFT_OUT.items()]
        parts.append("## Not in these tables\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _table(board: Mapping[str, Any]) -> str:
    learn, teach = board["settings"]["learning"], board["settings"]["teaching"]
    data = board["settings"]["data"]
    lines = [
        f"## {board['data']}, {board['pair'].replace('_', ' → ')}",
        "",
        f"Teacher: {board['about'].split(' → ')[0]}, "
        f"{board['teacher']['parameters']:,} parameters, "
        f"{board['teacher']['accuracy']:.2%} (its own training: {_budget(teach)}, "
        f"{_count(data['teacher'])} training images). "
        f"Student: {board['about'].split(' → ')[1]}, "
        f"{board['student']['parameters']:,} parameters, {_budget(learn)}, "
        f"{data['student']:,} of those images.",
        "",
        "| method | accuracy | n | gap closed | step | CPU s | call |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_line(row, board["student"]["parameters"]) for row in board["rows"]]
    if board["missing"]:
        lines += ["", f"Not run: {', '.join(board['missing'])}."]
    return "\n".join(lines)


def _line(row: Mapping[str, Any], parameters: int) -> str:
    spread = "" if row["sd"] is None else f" ± {100 * row['sd']:.2f}"
    gap = "–" if row["gap_closed"] is None else f"{row['gap_closed']:.0%}"
    times = "–" if row["seconds_ratio"] is None else f"{row['seconds_ratio']:.2f}×"
    name = row["method"].replace("_", " ") if row["method"] == NO_TEACHER else None
    notes = []
    if row["diverged"]:
        notes.append(f"{row['diverged']} diverged")
    if row["parameters"] != parameters:
        notes.append(f"{row['parameters']:,} parameters to deploy")
    call = row["call"]
    if row["hard_loss_weight"] != 1:
        call += f", hard_loss_weight={row['hard_loss_weight']:g}"
    cells = [
        " ".join([name or f"`{row['method']}`", *(f"({note})" for note in notes)]),
        f"{100 * row['accuracy']:.2f}{spread}",
        f"{row['n']}{'*' * (row['n'] < ENOUGH)}",
        gap,
        times,
        f"{row['cpu_seconds']:.0f}",
        call if name else f"`{call}`",
    ]
    return f"| {' | '.join(cells)} |"


def _budget(training: Mapping[str, Any]) -> str:
    return (
        f"{training['epochs']} epochs in batches of {training['batch_size']}, "
        f"{training['optimizer']} at {training['rate']:g}"
    )


def _count(images: int | None) -> str:
    return "all" if images is None else f"{images:,}"
