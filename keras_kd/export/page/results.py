"""Sections on the models and the files; None where the report has nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_kd.export.page import words
from keras_kd.export.page.charts import Mark, Row, Series, dot_chart, line_chart
from keras_kd.export.page.markup import Child, Markup, element
from keras_kd.export.page.parts import meter, pair, section, spoken, table, titled
from keras_kd.export.page.words import number, numbers, part, rows

Report = Mapping[str, Any]

NAMES = {"teacher": "Teacher", "student": "Student", "baseline": "Student alone"}
"""The models in the order of the page; alone is without a teacher."""


def accuracy(report: Report) -> Markup | None:
    """Models and files on one axis, and the models' numbers."""
    chart_rows, table_rows, seeded = [], [], False
    for key, name in NAMES.items():
        model = part(report, key)
        seeds = numbers(model.get("accuracy_by_seed"))
        value = words.mean_accuracy(model)
        if not model:
            continue
        table_rows.append(_model_row(key, name, model, seeds))
        if value is None:
            continue
        marks = [
            Mark(s, key, f"one seed: {words.percent(s)}", "ring", 4.0)
            for s in (seeds if len(seeds) > 1 else [])
        ]
        seeded |= len(seeds) > 1
        shape = "tick" if len(seeds) > 1 else "dot"
        marks.append(Mark(value, key, f"{name}: {words.percent(value)}", shape))
        chart_rows.append(Row(name, marks, words.percent(value)))
    for row in rows(report, "artifacts"):
        value = number(row, "accuracy")
        if value is not None:
            name = str(row.get("recipe", "file"))
            mark = Mark(value, "artifact", f"{name}: {words.percent(value)}")
            chart_rows.append(Row(name, [mark], words.percent(value)))
    if not table_rows and not chart_rows:
        return None
    titles = ("Model", "Parameters", "Accuracy", "Seeds")
    text = ["Share of the test images that are named correctly."]
    if part(report, "baseline"):
        text.append("Student alone is the same network, trained without a teacher.")
    if seeded:
        text.append("A circle is one seed, the bar the mean over seeds.")
    text.append("The axis begins where the values do, not at zero.")
    return section(
        "Accuracy",
        " ".join(text),
        pair(
            dot_chart("Accuracy of the models and the files", chart_rows),
            table(titles, table_rows, "models") if table_rows else None,
        ),
    )


def learning(report: Report) -> Markup | None:
    """Validation accuracy of the models, and the student’s losses."""
    history = part(report, "history")
    curves = [
        Series(name, key, _curve(part(history, key))) for key, name in NAMES.items()
    ]
    curves = [series for series in curves if numbers(list(series.values))]
    level = number(part(report, "teacher"), "accuracy")
    if curves and level is not None and curves[0].kind != "teacher":
        # It was trained before, and has no curve.
        long = max(len(series.values) for series in curves)
        curves.insert(0, Series(NAMES["teacher"], "teacher level", [level] * long))
    losses = [
        Series(spoken(key), f"term{index % 6}", values)
        for index, (key, values) in enumerate(_losses(part(history, "student")))
    ]
    left = line_chart("Validation accuracy by epoch", curves)
    right = line_chart("Training losses of the student", losses, shares=False)
    if not left and not right:
        return None
    text = ["Accuracy on held-out images after each epoch."] if left else []
    if right:
        text.append("What the student’s training loss is made of, before weights.")
    return section(
        "Learning",
        " ".join(text),
        pair(titled("Validation accuracy", left), titled("Student’s losses", right)),
    )


def artifacts(report: Report) -> Markup | None:
    """The files, with bars for what they cost."""
    files = rows(report, "artifacts")
    if not files:
        return None
    costs = {
        key: max((number(row, key) or 0.0 for row in files), default=0.0)
        for key in ("bytes", "latency_ms_p50")
    }
    body = []
    for row in files:
        exact = f"{words.count(number(row, 'bytes'))} bytes"
        latency, error = number(row, "latency_ms_p50"), number(row, "max_error")
        body.append(
            [
                element("strong", str(row.get("recipe", ""))),
                [element("code", str(row.get("path", ""))), _notes(row)],
                meter(number(row, "bytes"), costs["bytes"], words.size, exact),
                words.percent(number(row, "accuracy")),
                words.percent(number(row, "agreement")),
                meter(latency, costs["latency_ms_p50"], words.milliseconds),
                words.NOTHING if error is None else words.short(error),
            ]
        )
    titles = (
        "Recipe", "File", "Size", "Accuracy", "Agreement", "Latency", "Largest error"
    )  # fmt: skip
    return section(
        "Files to deploy",
        "Agreement is the share of test images on which the file names the student’s "
        "own class; latency is the median for one image on this machine.",
        table(titles, body, "files"),
    )


def _notes(row: Mapping[str, Any]) -> list[Markup]:
    notes = row.get("notes")
    shown = list(notes) if isinstance(notes, (list, tuple)) else []
    return [element("small", str(note)) for note in [*_measured(row), *shown]]


def _measured(row: Mapping[str, Any]) -> list[str]:
    """What newer reports tell of a file beside the columns, in one line."""
    facts = []
    if number(row, "snr_db") is not None:
        facts.append(f"{words.decibels(number(row, 'snr_db'))} signal to noise")
    taken = words.delegated(part(row, "delegation"))
    if taken:
        facts.append(taken)
    if isinstance(part(row, "gate").get("passed"), bool):
        facts.append("gate passed" if row["gate"]["passed"] else "gate failed")
    return [" · ".join(facts)] if facts else []


def _model_row(
    key: str, name: str, model: Mapping[str, Any], seeds: Sequence[float]
) -> list[Child]:
    deviation = number(model, "accuracy_std")
    spread = None
    if len(seeds) > 1 and deviation is not None:
        spread = element("small", f"± {100 * deviation:.1f}")
    own = model.get("name")
    return [
        element(
            "span",
            element("i", class_=f"swatch {key}"),
            name,
            element("small", f" {own}") if own else None,
        ),
        words.count(number(model, "params")),
        [words.percent(words.mean_accuracy(model)), spread],
        str(len(seeds) or 1),
    ]


def _curve(history: Mapping[str, Any]) -> list[float | None]:
    """The validation accuracy in a history, whatever the metric's name."""
    for wanted in ("val_accuracy", "val_", "accuracy"):
        for key, values in history.items():
            if key.startswith(wanted) and "acc" in key:
                return _gaps(values)
    return []


def _losses(history: Mapping[str, Any]) -> list[tuple[str, list[float | None]]]:
    """What is neither a metric, which has a twin in validation, nor a rate."""
    found = []
    for key, values in history.items():
        is_metric = f"val_{key}" in history and not key.endswith("loss")
        other = key.startswith("val_") or "acc" in key or "learning_rate" in key
        if not is_metric and not other and numbers(values):
            found.append((key, _gaps(values)))
    # The total first, then the labels' share, then what the teacher adds.
    order = {"loss": 0, "hard_loss": 1}
    return sorted(found, key=lambda entry: order.get(entry[0], 2))


def _gaps(values: Any) -> list[float | None]:
    if not isinstance(values, (list, tuple)):
        return []
    return [number({"": value}, "") for value in values]
