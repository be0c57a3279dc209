"""How results look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_kd.export.page.files import as_data
from keras_kd.files import written_together


def json_text(fields: Mapping[str, Any]) -> str:
    """Strict JSON of what a report holds."""
    return json.dumps(as_data(fields), indent=2, allow_nan=False)


def print_json(fields: Mapping[str, Any]) -> int:
    """Print it; returns the exit code."""
    print(json_text(fields))
    return 0


def write(path: str, content: bytes) -> None:
    """A file, whole or not at all."""
    with written_together() as add:
        add(Path(path), content)


def pairs(rows: Sequence[tuple[str, ...]], indent: str = "") -> str:
    """Lines of a name, what it is and perhaps remarks, in columns."""
    most = max(len(row) for row in rows)
    filled = [row + ("",) * (most - len(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    # What stands last may be long, and nothing is to be put beside it.
    widths[-1] = 0
    if most == 3:
        widths[1] = max((len(row[1]) for row in rows if len(row) == 3), default=0)
    return "\n".join(
        indent
        + "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in filled
    )


def percent(share: float | None) -> str:
    """0.964 → `"96.4 %"`."""
    return "–" if share is None else f"{100 * share:.1f} %"


def counts(counted: Mapping[str, int]) -> str:
    """`"2 CONV_2D, 1 SOFTMAX"`."""
    return ", ".join(f"{count} {name}" for name, count in counted.items())


def number(value: int | None) -> str:
    """12345 → `"12,345"`."""
    return "–" if value is None else f"{value:,}"


def decibels(value: float | None) -> str:
    """34.21 → `"34.2 dB"`."""
    if value is None:
        return "–"
    return "exact" if value >= 200 else f"{value:.1f} dB"


def bar(share: float, width: int = 24) -> str:
    """A line as long as a share of one."""
    return "━" * max(0, min(width, round(width * share)))
