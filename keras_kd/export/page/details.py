"""Sections on classes and pictures, and on how it all was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd.export.page import words
from keras_kd.export.page.charts import Mark, Row, dot_chart
from keras_kd.export.page.markup import Child, Markup, element
from keras_kd.export.page.parts import meter, pair, section, spoken
from keras_kd.export.page.words import number, numbers, part, rows

Report = Mapping[str, Any]

MOST_CLASSES = 40
MOST_PICTURES = 48


def classes(report: Report) -> Markup | None:
    """Teacher, student and their agreement, class by class."""
    known = [row for row in rows(report, "classes") if _class_marks(row)]
    if not known:
        return None
    shown, note = known, ""
    if len(known) > MOST_CLASSES:
        known.sort(key=lambda row: number(row, "agreement") or 0.0)
        shown = known[:MOST_CLASSES]
        note = f" The {MOST_CLASSES} of least agreement, of {len(known)} classes."
    chart_rows = []
    for row in shown:
        marks = _class_marks(row)
        both = [m.value for m in marks if m.kind in ("teacher", "student")]
        agreement = number(row, "agreement")
        chart_rows.append(
            Row(
                str(row.get("name", "")),
                marks,
                "" if agreement is None else words.percent(agreement, 0),
                (both[0], both[1]) if len(both) == 2 else None,
            )
        )
    half = -(-len(chart_rows) // 2) if len(chart_rows) > 7 else len(chart_rows)
    legend = [
        Mark(0.0, "teacher", "Teacher’s accuracy", "ring"),
        Mark(0.0, "student", "Student’s"),
        Mark(0.0, "agreement", "Agreement", "tick"),
    ]
    charts = [
        dot_chart(
            f"Accuracy and agreement, classes {start + 1} to {start + len(some)}",
            some, alike=chart_rows, legend=legend, step=26.0,
        )
        for start, some in ((0, chart_rows[:half]), (half, chart_rows[half:]))
    ]  # fmt: skip
    return section(
        "Class by class",
        "How often teacher and student are right, and, at the right edge, how often "
        f"they say the same.{note}",
        pair(*charts),
    )


def disagreements(report: Report) -> Markup | None:
    """Pictures that teacher and student name differently."""
    tiles = []
    for row in rows(part(report, "pictures"), "disagreements")[:MOST_PICTURES]:
        source = str(row.get("image", ""))
        if not source.startswith("data:image/png;base64,"):
            continue
        said = {key: str(row.get(key, words.NOTHING)) for key in ("teacher", "student")}
        label = str(row.get("label", words.NOTHING))
        alternative = f"{label}; teacher {said['teacher']}, student {said['student']}"
        few = max([0.0, *numbers(row.get("pixels"))]) <= 64
        tiles.append(
            element(
                "figure",
                element(
                    "img", src=source, alt=alternative, class_="few" if few else None
                ),
                element(
                    "figcaption",
                    element("b", label),
                    [_answer(key, word, label) for key, word in said.items()],
                ),
            )
        )
    if not tiles:
        return None
    return section(
        "Where they differ",
        "Test images that teacher and student name differently: the label above, then "
        "the teacher’s word and the student’s.",
        element("div", tiles, class_="grid"),
    )


def making(report: Report) -> Markup | None:
    """What is needed to do it again."""
    data = dict(part(report, "dataset"))
    data.pop("class_names", None)
    seconds = part(report, "seconds")
    longest = max([*numbers(seconds), 0.0])
    spent = {
        spoken(key): meter(number(seconds, key), longest, words.duration)
        for key in seconds
    }
    lists = [
        facts_list(
            "Setting",
            {spoken(k): v for k, v in part(report, "setting").items()},
            kind="sentences",
        ),
        facts_list("Data", {spoken(key): value for key, value in data.items()}),
        facts_list("Time", spent),
        facts_list("Versions", part(report, "versions")),
    ]
    command = report.get("command")
    if command:
        command = element("pre", element("code", str(command)), tabindex=0)
    content = [entry for entry in lists if entry is not None]
    if not content and not command:
        return None
    return section(
        "How it was made",
        None,
        element("div", content, class_="facts") if content else None,
        command or None,
    )


def _class_marks(row: Mapping[str, Any]) -> list[Mark]:
    marks = []
    for key, name in (
        ("agreement", "agreement"),
        ("teacher_accuracy", "teacher"),
        ("student_accuracy", "student"),
    ):
        value = number(row, key)
        if value is not None:
            samples = number(row, "samples")
            of = "" if samples is None else f" of {words.count(samples)}"
            text = f"{name}: {words.percent(value)}{of}"
            # The teacher's ring is seen around the student's dot.
            shape = {"agreement": "tick", "teacher": "ring"}.get(name, "dot")
            radius = 5.0 if name == "student" else 6.5
            marks.append(Mark(value, name, text, shape, radius))
    return marks


def _answer(key: str, word: str, label: str) -> Markup:
    right = word == label
    return element(
        "span",
        element("i", class_=f"swatch {key}"),
        word,
        element("em", "✓", title="right") if right else None,
        class_="answer",
    )


def facts_list(
    title: str, facts: Mapping[str, Any], kind: str | None = None
) -> Markup | None:
    """Names and values under a title; None where there are none."""
    if not facts:
        return None
    pairs = [
        element("div", element("dt", str(key)), element("dd", _value(value)))
        for key, value in facts.items()
    ]
    return element("div", element("h3", title), element("dl", pairs), class_=kind)


def _value(value: Any) -> Child:
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return words.NOTHING
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(v)}" for key, v in value.items())
    if isinstance(value, (list, tuple)):
        separator = " × " if all(isinstance(v, int) for v in value) else ", "
        return separator.join(str(_value(v)) for v in value)
    return str(value)
