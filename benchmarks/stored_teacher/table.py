"""The figures as Markdown, and which goals they keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .accuracy import COMPACT
from .epochs import THIRTY
from .reading import RECORDS
from .workers import OF_WHAT_WAS_ALLOWED

MOST, LEAST = "≤", "≥"

GOALS = {
    "a live step : student.fit + teacher.predict": (MOST, 0.9, "live/cpu/auto"),
    "labelling, float32 : teacher.predict": (MOST, 0.8, "labelling/cpu/litert"),
    "labelling, int8 : teacher.predict": (MOST, 0.5, "labelling/cpu/int8"),
    "int8 finds the same class": (LEAST, 0.99, "labelling/agreement of int8"),
    **{
        f"reading, {name} : bare gather": (LEAST, 0.9, f"reading/rows/{name}/ratio")
        for name in RECORDS
    },
    "reading, memory with ten times the rows": (MOST, 1.05, "reading/memory/ratio"),
    "an epoch from the store : student.fit": (MOST, 1.03, "epochs/cpu/stored"),
    "the same, augmented again": (MOST, 1.1, "epochs/cpu/stored, augmented"),
    THIRTY: (MOST, 0.2, f"epochs/cpu/{THIRTY}"),
    "weights, live and stored, apart by": (MOST, 0.0, "epochs/weights apart"),
    "bytes a view": (MOST, 22, f"accuracy/students/{COMPACT}/bytes"),
    "accuracy lost with them, in s.d.": (MOST, 1.0, f"accuracy/lost/{COMPACT}"),
    "two workers : what two cores gave": (LEAST, 0.9, f"workers/{OF_WHAT_WAS_ALLOWED}"),
}
"""By what it is: the comparison, the limit, and where the figure lies."""

WORDS = {True: "kept", False: "**missed**", None: "not measured"}


def reached(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal with its figure, and whether it is kept; None where there is none."""
    rows = []
    for words, (sign, limit, path) in GOALS.items():
        found = figure(parts, path)
        value = middle(found)
        kept = None
        if value is not None:
            kept = value <= limit if sign == MOST else value >= limit
        row = {"goal": words, "sign": sign, "limit": limit, "is": found, "kept": kept}
        if "/cpu/" in path:
            row["wall"] = figure(parts, path.replace("/cpu/", "/wall/"))
        rows.append(row)
    return rows


def figure(parts: Any, path: str) -> Any:
    """What lies at a path, or None."""
    for key in path.split("/"):
        if not isinstance(parts, Mapping) or key not in parts:
            return None
        parts = parts[key]
    return parts


def middle(found: Any) -> float | None:
    """A number, or the median of a ratio."""
    return found["median"] if isinstance(found, Mapping) else found


def markdown(parts: Mapping[str, Any], machine: str) -> str:
    """The goals, then the figures of each part that was run."""
    texts = [
        "What a teacher costs, live and stored. The candidates of a part run in turn "
        "in one process; a ratio is taken within its round, and given as median "
        "(quartiles). Ratios are of CPU time, those of wall-clock time beside them. "
        f"{machine}",
        _goals(parts),
    ]
    texts += [SECTIONS[name](parts[name]) for name in SECTIONS if name in parts]
    return "\n\n".join(texts) + "\n"


def shown(found: Any) -> str:
    """A figure in a cell."""
    if found is None:
        return "–"
    if isinstance(found, Mapping):
        return "{median:g} ({low:g}–{high:g})".format(**found)
    return f"{found:,.4g}"


def _goals(parts: Mapping[str, Any]) -> str:
    lines = ["| | goal | measured | wall | |", "|---|---:|---:|---:|---|"]
    lines += [
        f"| {row['goal']} | {row['sign']} {row['limit']:g} | {shown(row['is'])} "
        f"| {shown(row.get('wall'))} | {WORDS[row['kept']]} |"
        for row in reached(parts)
    ]
    return "\n".join(lines)


def _clocks(title: str, head: str, found: Mapping[str, Any]) -> str:
    lines = [f"## {title}", "", f"| {head} | CPU | wall |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {shown(found['cpu'][name])} | {shown(found['wall'][name])} |"
        for name in found["cpu"]
    ]
    return "\n".join(lines)


def _live(found: Mapping[str, Any]) -> str:
    title = f"A live step, teacher.predict : student.fit = {shown(found['r'])}"
    text = _clocks(title, "step : student.fit + teacher.predict", found)
    return f"{text}\n\n`auto` took `{found['engine of auto']}`."


def _labelling(found: Mapping[str, Any]) -> str:
    text = _clocks("Labelling", "`label` : teacher.predict", found)
    starts = found["start"]["cpu"]
    pairs = ", ".join(f"{name} {value:.1f}" for name, value in starts.items())
    return (
        f"{text}\n\nWithout the start, which converts, calibrates and compares, in "
        f"seconds of CPU: {pairs}. int8 finds the same class in "
        f"{found['agreement of int8']:.2%}."
    )


def _epochs(found: Mapping[str, Any]) -> str:
    text = _clocks("Epochs from a store", "epoch : student.fit", found)
    seconds = found["seconds"]["cpu"]
    pairs = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    return f"{text}\n\nSeconds of CPU, for {found['examples']:,} images: {pairs}."


def _reading(found: Mapping[str, Any]) -> str:
    lines = [
        f"## Reading {found['count']:,} rows, shuffled, into tf.data",
        "",
        "| row | bytes | ours, rows a second | raw gather | ours : raw |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['bytes']:,} | {row['ours']:,} | {row['raw']:,} "
        f"| {shown(row['ratio'])} |"
        for name, row in found["rows"].items()
    ]
    undecoded = [
        f"The bare gather for {name} reads full float16 logits, which is what ours "
        f"decodes; left as they are, their bytes alone are gathered at "
        f"{row['undecoded']:,} rows a second."
        for name, row in found["rows"].items()
        if "undecoded" in row
    ]
    memory = found["memory"]
    sizes = "; ".join(
        f"{rows} rows: {at['anonymous']:,} MB of its own, {at['mapped']:,} MB of files"
        for rows, at in memory["peak"].items()
    )
    about = (
        f"The reading process at its peak: {sizes}. What is mapped from files, the "
        "system takes back when it needs it."
    )
    return "\n".join([*lines, "", *undecoded, "", about])


def _accuracy(found: Mapping[str, Any]) -> str:
    lines = [
        f"## What {found['classes']:,} classes need (teacher {found['teacher']:.1%})",
        "",
        "| stored | bytes a row | student, mean ± s.d. | s.d. below float32 |",
        "|---|---:|---:|---:|",
    ]
    for name, row in found["students"].items():
        size = "–" if row["bytes"] is None else f"{row['bytes']:,}"
        lost = shown(found["lost"].get(name))
        score = f"{row['accuracy']:.2%} ± {100 * row['sd']:.2f}"
        lines.append(f"| {name} | {size} | {score} | {lost} |")
    about = (
        f"{found['seeds']} seeds. The teacher's ten likeliest classes hold "
        f"{found['mass']:.1%} of its probability."
    )
    return "\n".join([*lines, "", about])


def _workers(found: Mapping[str, Any]) -> str:
    rates = found["rows a second"]
    return (
        f"## Workers\n\n`keras-kd label --workers N`, one thread each: {rates['1']:,} "
        f"rows a second with one and {rates['2']:,} with two, {found['gain']:.2f} "
        f"times as many. The machine has {found['cores']} cores; two processes that "
        "only run the teacher, without keras_kd, did "
        f"{found['allowed']:.2f} times as much as one."
    )


SECTIONS = {
    "live": _live,
    "labelling": _labelling,
    "reading": _reading,
    "epochs": _epochs,
    "accuracy": _accuracy,
    "workers": _workers,
}
