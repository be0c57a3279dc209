"""Numbers as a reader takes them in."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def number(fields: Any, key: str) -> float | None:
    """The finite number under a key, or None where there is none."""
    value = fields.get(key) if isinstance(fields, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def part(fields: Any, key: str) -> Mapping[str, Any]:
    """The mapping under a key; empty where there is none."""
    value = fields.get(key) if isinstance(fields, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def rows(fields: Any, key: str) -> list[Mapping[str, Any]]:
    """The mappings in the list under a key; empty where there is none."""
    value = fields.get(key) if isinstance(fields, Mapping) else None
    if not isinstance(value, (list, tuple)):
        return []
    return [row for row in value if isinstance(row, Mapping)]


def numbers(values: Any) -> list[float]:
    """The finite numbers of a list, or of a dict's values."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if not isinstance(values, (list, tuple)):
        return []
    found = (number({"": value}, "") for value in values)
    return [value for value in found if value is not None]


def percent(share: float | None, digits: int = 1) -> str:
    """0.978 → `"97.8%"`."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}%"


def points(difference: float | None) -> str:
    """0.043 → `"+4.3"`, in percentage points."""
    if difference is None:
        return NOTHING
    text = f"{abs(100 * difference):.1f}"
    sign = "" if float(text) == 0 else "+" if difference > 0 else "−"
    return sign + text


def times(ratio: float) -> str:
    """10.23 → `"10.2×"`."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.1f}×"


def count(value: float | None) -> str:
    """118202 → `"118,202"`."""
    return NOTHING if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """48213 → `"48.2 kB"`."""
    return NOTHING if value is None else f"{_scaled(value, ('B', 'kB', 'MB', 'GB'))}"


def magnitude(value: float | None) -> str:
    """1204330 → `"1.2 M"`."""
    return NOTHING if value is None else _scaled(value, ("", "k", "M", "G")).strip()


def milliseconds(value: float | None) -> str:
    """0.05213 → `"52.1 µs"`, 5.213 → `"5.21 ms"`."""
    if value is None:
        return NOTHING
    number, unit = (value, "ms") if value >= 0.1 else (1000 * value, "µs")
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f} {unit}"


def duration(seconds: float | None) -> str:
    """192.4 → `"3 min 12 s"`."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def decibels(value: float | None) -> str:
    """34.21 → `"34.2 dB"`; equal answers, which have 200, are `"exact"`."""
    if value is None:
        return NOTHING
    return "exact" if value >= 200 else f"{value:.1f} dB"


def delegated(delegation: Mapping[str, Any]) -> str:
    """`"XNNPACK runs 6 of 8 operators, in 2 pieces"`; empty where nothing is known."""
    keys = ("delegated", "operators", "partitions")
    found = [number(delegation, key) for key in keys]
    if None in found:
        return ""
    taken, every, pieces = (count(value) for value in found)
    return (
        f"XNNPACK runs {taken} of {every} operators, in {pieces} "
        f"piece{'' if pieces == '1' else 's'}"
    )


def day(text: Any) -> str:
    """`"2026-01-31T09:40:12+00:00"` → `"31 January 2026, 09:40 UTC"`."""
    try:
        moment = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return f"{moment.day} {moment:%B %Y, %H:%M}{zone}"


def short(value: float) -> str:
    """A number of any size in a few characters."""
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")


def mean(values: list[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def mean_accuracy(model: Mapping[str, Any]) -> float | None:
    """A model's accuracy over its seeds, or its only one."""
    seeds = numbers(model.get("accuracy_by_seed"))
    return mean(seeds) if seeds else number(model, "accuracy")


def clipped(text: str, length: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(units) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if power == 0 or abs(value) >= 99.95 else 1
    return f"{value:.{digits}f} {units[power]}"
