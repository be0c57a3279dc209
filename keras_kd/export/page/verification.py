"""The page about one file that was verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_kd.export.page import layers, words
from keras_kd.export.page.details import facts_list
from keras_kd.export.page.files import as_data
from keras_kd.export.page.markup import Child, Markup, element, join
from keras_kd.export.page.parts import meter, section, table
from keras_kd.export.page.pictures import data_uri
from keras_kd.export.page.render import framed
from keras_kd.export.page.summary import figure
from keras_kd.export.page.words import number, part, rows

Report = Mapping[str, Any]

FOOTER = "Written by keras-kd verify. The page loads nothing."


def verification_page(report: Report, pictures: Sequence[Any] = ()) -> str:
    """Draw what `keras-kd verify` found.

    Args:
        report: Dict: `VerificationReport.to_dict()`, with `"model"`, `"data"`,
            `"gate"` (`GateResult.to_dict()`), `"latency"`
            (`LatencyComparison.to_dict()`) and `"command"`, of which any may be
            missing.
        pictures: Arrays, the inputs of `report["worst"]` in its order. What is no
            image is left out. Defaults to `()`.

    Returns:
        The HTML.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    report = verify(model, result, np.random.rand(50, 4))
    page = verification_page(report.to_dict() | {"model": "student.keras"})
    ```
    """
    fields = as_data(report)
    title = _name(fields.get("artifact", "A file"))
    sections = (
        _header(fields, title),
        _figures(fields),
        _gate(fields),
        layers.of_file(fields),
        _worst(fields, pictures),
        _latency(fields),
        _file(fields),
    )
    return framed(title, join(sections), FOOTER)


def _header(report: Report, title: str) -> Markup:
    samples = number(report, "samples")
    facts = [
        report.get("model") and f"against {_name(report['model'])}",
        samples and f"{words.count(samples)} samples",
        report.get("data"),
    ]
    kicker = " · ".join(str(fact) for fact in facts if fact)
    result = part(report, "gate")
    checks = rows(result, "checks")
    verdict = None
    if len(checks) > 1 or (checks and not result.get("passed")):
        failed = sum(not check.get("passed") for check in checks)
        text = f"{failed} of {len(checks)} checks failed"
        if not failed:
            text = f"all {len(checks)} checks passed"
        verdict = _verdict(not failed, text)
    return element(
        "header",
        element(
            "div",
            element("p", kicker, class_="kicker"),
            element("h1", title, class_="file"),
            verdict,
        ),
    )


def _figures(report: Report) -> Markup | None:
    agreement, snr = number(report, "agreement"), number(report, "snr_db")
    size = number(report, "bytes")
    accuracy, error = number(report, "accuracy"), number(report, "max_error")
    found = []
    if accuracy is not None:
        of_model = words.percent(number(report, "model_accuracy"))
        found.append(figure("Accuracy", words.percent(accuracy), f"model {of_model}"))
    if agreement is not None:
        differing = report.get("disagreements")
        count = len(differing) if isinstance(differing, list) else 0
        note = f"{count} of {words.count(number(report, 'samples'))} samples differ"
        found.append(figure("Agreement", words.percent(agreement), note))
    if snr is not None:
        note = "" if error is None else f"largest error {words.short(error)}"
        found.append(figure("Signal to noise", words.decibels(snr), note))
    if size is not None:
        note = f"{words.size(number(report, 'gzip_bytes'))} compressed"
        found.append(figure("Size", words.size(size), note))
    ratio = number(part(report, "latency"), "ratio")
    if ratio is not None:
        ms = number(part(part(report, "latency"), "file_ms"), "p50")
        note = f"of float32’s latency, {words.milliseconds(ms)}"
        found.append(figure("Latency", f"{ratio:.2f}×", note))
    return element("dl", found, class_="figures") if found else None


def _gate(report: Report) -> Markup | None:
    checks = rows(part(report, "gate"), "checks")
    if not checks:
        return None
    body: list[list[Child]] = [
        [
            _verdict(
                bool(check.get("passed")), "ok" if check.get("passed") else "failed"
            ),
            str(check.get("name", "")),
            _sentence(str(check.get("message", ""))),
        ]
        for check in checks
    ]
    return section(
        "Gate",
        "What was asked of the file. A limit that could not be measured is not kept.",
        table(("", "Check", "Found"), body, "checks"),
    )


def _worst(report: Report, pictures: Sequence[Any]) -> Markup | None:
    samples = rows(report, "worst")
    if not samples:
        return None
    shown = [*pictures, *([None] * len(samples))]
    sources = [_picture(image) for image, _ in zip(shown, samples, strict=False)]
    about = (
        "Samples with another top class first, then those of the largest error: the "
        "label, the model’s answer and the file’s."
    )
    if not any(sources):
        titles = ("Sample", "Label", "Model", "File", "Error")
        body: list[list[Child]] = [
            [
                f"#{sample.get('index')}",
                _class(sample, "label"),
                _class(sample, "model_class"),
                _class(sample, "file_class"),
                words.short(number(sample, "error") or 0.0),
            ]
            for sample in samples
        ]
        return section("Worst inputs", about, table(titles, body, "worst"))
    tiles = []
    for source, sample in zip(sources, samples, strict=True):
        label = _class(sample, "label")
        answers = [
            element(
                "span",
                element("i", class_=f"swatch {kind}", title=who),
                _class(sample, key),
                class_="answer",
            )
            for kind, who, key in (
                ("teacher", "model", "model_class"),
                ("student", "file", "file_class"),
            )
            if sample.get(key) is not None
        ]
        name = f"#{sample.get('index')}" if label == words.NOTHING else label
        error = f"error {words.short(number(sample, 'error') or 0.0)}"
        picture = element("img", src=source, alt=name, class_="few") if source else None
        caption = element(
            "figcaption", element("b", name), answers, element("small", error)
        )
        tiles.append(element("figure", picture, caption))
    return section("Worst inputs", about, element("div", tiles, class_="grid"))


def _latency(report: Report) -> Markup | None:
    measured = part(report, "latency_ms")
    keys = ("p50", "p90", "p99", "mean")
    longest = max(
        (number(part(measured, n), key) or 0.0 for n in measured for key in keys),
        default=0.0,
    )
    body: list[list[Child]] = [
        [
            threads,
            *(
                meter(number(part(measured, threads), key), longest, words.milliseconds)
                for key in keys
            ),
        ]
        for threads in measured
    ]
    if not body:
        return None
    return section(
        "Latency",
        "Of one inference on this machine, by the number of threads.",
        table(("Threads", "Median", "90 %", "99 %", "Mean"), body, "files"),
    )


def _file(report: Report) -> Markup | None:
    delegation = part(report, "delegation")
    islands = report.get("float_islands")
    facts: dict[str, Any] = {}
    for key, name in (
        ("macs", "multiply-accumulates"),
        ("arena_bytes", "arena, bytes"),
    ):
        if number(report, key) is not None:
            facts[name] = words.count(number(report, key))
    if isinstance(islands, list):
        names = sorted({str(island.get("operator")) for island in islands})
        facts["float islands"] = ", ".join(names) if names else "none"
    if delegation:
        facts["delegate"] = words.delegated(delegation)
        left = part(delegation, "left")
        if left:
            facts["not delegated"] = ", ".join(left)
    lists = [
        facts_list("In use", facts),
        facts_list("Operators", part(report, "operators")),
        facts_list("Tensors", part(report, "tensor_dtypes")),
    ]
    found = [entry for entry in lists if entry is not None]
    command = report.get("command")
    if not found and not command:
        return None
    typed = (
        element("pre", element("code", str(command)), tabindex=0) if command else None
    )
    return section(
        "The file", None, element("div", found, class_="facts single"), typed
    )


def _picture(image: Any) -> str | None:
    """A URI, if that is an image; values of any range fill the shades."""
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.dtype.kind not in "fiu":
        return None
    if pixels.dtype.kind == "f" and pixels.size:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:
            pixels = (pixels - low) / max(high - low, 1e-9)
    try:
        return data_uri(pixels)
    except ValueError:  # features in a form that only looks like one
        return None


def _class(sample: Mapping[str, Any], key: str) -> str:
    name = sample.get(f"{key}_name")
    value = sample.get(key) if name is None else name
    return words.NOTHING if value is None else str(value)


def _verdict(passed: bool, text: str) -> Markup:
    return element("span", text, class_="verdict" if passed else "verdict bad")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name(path: Any) -> str:
    return str(path).replace("\\", "/").rpartition("/")[2]
