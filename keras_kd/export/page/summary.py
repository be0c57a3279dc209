"""The top of the page: what came out, in one sentence and four figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd.export.page import words
from keras_kd.export.page.charts import squares
from keras_kd.export.page.markup import Markup, element, join
from keras_kd.export.page.words import number, numbers, part, rows

Report = Mapping[str, Any]


def header(report: Report) -> Markup:
    """Title, data set and date, the sentence, and the models to scale."""
    data = part(report, "dataset")
    created = report.get("created")
    facts = [data.get("name"), _images(data), created and words.day(created)]
    text = [
        element("p", " · ".join(str(fact) for fact in facts if fact), class_="kicker"),
        element("h1", str(report["title"])),
    ]
    sentence = lede(report)
    if sentence:
        text.append(element("p", sentence, class_="lede"))
    return element("header", element("div", text), to_scale(report), missing(report))


def lede(report: Report) -> str:
    """What a reader would tell somebody else."""
    ratio, kept, gain = smaller(report), kept_accuracy(report), gained(report)
    clauses = []
    if ratio:
        clauses.append(f"has {words.times(ratio)} fewer parameters than its teacher")
    if kept:
        clauses.append(f"keeps {words.percent(kept)} of the teacher’s accuracy")
    if gain is not None:
        than = "than the same student trained without a teacher"
        if words.points(gain)[0] in "+−":
            side = "above" if gain > 0 else "below"
            amount = words.points(gain)[1:]
            clauses.append(
                f"stands {amount} points {side} the same student without a teacher"
            )
        else:
            clauses.append(f"is no better {than}")
    if not clauses:
        return ""
    last = clauses.pop()
    joined = f"{', '.join(clauses)} and {last}" if clauses else last
    return f"The student {joined}."


def missing(report: Report) -> Markup | None:
    """Which stages the run did not reach, and why where it is known."""
    stages, failed = report.get("missing"), part(report, "failed")
    notices = [
        element("p", element("strong", f"{name} failed: "), str(why))
        for name, why in failed.items()
    ]
    if isinstance(stages, (list, tuple)) and stages:
        names = ", ".join(str(stage) for stage in stages)
        unfinished = element("strong", "Not finished: ")
        notices.insert(0, element("p", unfinished, names, "."))
    return element("div", notices, class_="notice") if notices else None


def to_scale(report: Report) -> Markup | None:
    """Teacher and student as squares, a parameter a point."""
    sizes = []
    for key in ("teacher", "student"):
        params = number(part(report, key), "params")
        if params:
            sizes.append((key.capitalize(), words.count(params), key, params))
    if len(sizes) < 2:
        return None
    return element(
        "figure",
        squares("Parameters of teacher and student, areas to scale", sizes),
        element("figcaption", "Parameters, areas to scale"),
        class_="scale",
    )


def figures(report: Report) -> Markup | None:
    """The headline figures that the report has the numbers for."""
    found = [_size(report), _kept(report), _gain(report), _file(report)]
    entries = [entry for entry in found if entry is not None]
    return element("dl", entries, class_="figures") if entries else None


def smaller(report: Report) -> float | None:
    """How many times the teacher's parameters are the student's."""
    teacher = number(part(report, "teacher"), "params")
    student = number(part(report, "student"), "params")
    return teacher / student if teacher and student else None


def kept_accuracy(report: Report) -> float | None:
    """The student's accuracy as a share of the teacher's."""
    teacher = number(part(report, "teacher"), "accuracy")
    student = words.mean_accuracy(part(report, "student"))
    return student / teacher if teacher and student is not None else None


def gained(report: Report) -> float | None:
    """What the teacher was worth: student less baseline, means over seeds."""
    student = words.mean_accuracy(part(report, "student"))
    baseline = words.mean_accuracy(part(report, "baseline"))
    return None if student is None or baseline is None else student - baseline


def _images(data: Mapping[str, Any]) -> str | None:
    train, labelled = number(data, "train"), number(data, "labelled")
    if not train:
        return None
    text = f"{words.count(train)} training images"
    if labelled is not None and labelled < train:
        text += f", {words.count(labelled)} of them labelled"
    return text


def _size(report: Report) -> Markup | None:
    ratio = smaller(report)
    if ratio is None:
        return None
    student, teacher = part(report, "student"), part(report, "teacher")
    params = [words.count(number(model, "params")) for model in (student, teacher)]
    return figure(
        "Smaller", words.times(ratio), f"{params[0]} parameters instead of {params[1]}"
    )


def _kept(report: Report) -> Markup | None:
    kept = kept_accuracy(report)
    if kept is None:
        return None
    student = words.percent(words.mean_accuracy(part(report, "student")))
    teacher = words.percent(number(part(report, "teacher"), "accuracy"))
    return figure(
        "Accuracy kept",
        words.percent(kept),
        f"{student} where the teacher has {teacher}",
    )


def _gain(report: Report) -> Markup | None:
    gain = gained(report)
    if gain is None:
        return None
    seeds = len(numbers(part(report, "baseline").get("accuracy_by_seed")))
    over = f", mean of {seeds} seeds" if seeds > 1 else ""
    baseline = words.percent(words.mean_accuracy(part(report, "baseline")))
    return figure(
        "Gained by teaching",
        join(words.points(gain), element("small", " points")),
        f"over {baseline} without one{over}",
    )


def _file(report: Report) -> Markup | None:
    artifacts = [row for row in rows(report, "artifacts") if number(row, "bytes")]
    if not artifacts:
        return None
    named = [row for row in artifacts if row.get("recipe") == "int8"]
    row = (named or sorted(artifacts, key=lambda row: number(row, "bytes") or 0))[0]
    facts = [
        f"{words.percent(number(row, 'accuracy'))} accurate"
        if number(row, "accuracy") is not None
        else None,
        f"{words.milliseconds(number(row, 'latency_ms_p50'))} an image"
        if number(row, "latency_ms_p50") is not None
        else None,
    ]
    return figure(
        f"As {row.get('recipe', 'file')}",
        words.size(number(row, "bytes")),
        ", ".join(fact for fact in facts if fact),
    )


def figure(name: str, value: str, note: str) -> Markup:
    """One of the large figures, with a remark."""
    return element(
        "div",
        element("dt", name),
        element("dd", value, class_="value"),
        element("dd", note, class_="note"),
    )
