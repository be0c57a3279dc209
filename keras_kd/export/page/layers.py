"""The section on where in a file the error arises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_kd.export.page.bars import Bar, decibel_chart
from keras_kd.export.page.markup import Markup
from keras_kd.export.page.parts import pair, section, titled
from keras_kd.export.page.words import clipped, count, number, rows

MOST = 64
ABOUT = (
    "Signal to noise of every layer, from the input down, against the same layer of "
    "the float32 file: each 6 dB are one more bit that is right. Errors add up on "
    "their way, so the layer to look at is the one where the figure falls. Bars "
    "below 20 dB are in full colour."
)


def of_file(report: Mapping[str, Any]) -> Markup | None:
    """The layers of the one file that a report is about."""
    chart = _charts(rows(report, "layers"))
    if not chart:
        return None
    return section("Layer by layer", ABOUT + _note(report), chart)


def of_artifacts(report: Mapping[str, Any]) -> Markup | None:
    """The layers of those files of a folder that tell of them."""
    found = []
    for artifact in rows(report, "artifacts"):
        chart = _charts(rows(artifact, "layers"))
        if chart:
            title = str(artifact.get("recipe", "file"))
            found.append(titled(title, chart) or Markup())
    return section("Layer by layer", ABOUT, *found) if found else None


def _note(report: Mapping[str, Any]) -> str:
    """What the chart leaves out."""
    layers, unmatched = rows(report, "layers"), report.get("unmatched_layers")
    text = f" The {MOST} lowest of {len(layers)}." if len(layers) > MOST else ""
    if isinstance(unmatched, (list, tuple)) and unmatched:
        names = ", ".join(str(name).split(";")[0] for name in unmatched[:3])
        more = ", …" if len(unmatched) > 3 else ""
        text += (
            f" Not compared, having no like in the float32 file: "
            f"{count(len(unmatched))} ({names}{more})."
        )
    return text


def _charts(layers: Sequence[Mapping[str, Any]]) -> Markup:
    """One chart, or two side by side."""
    bars = [_bar(layer) for layer in layers if number(layer, "snr_db") is not None]
    if len(bars) > MOST:
        limit = sorted(bar.value for bar in bars)[MOST - 1]
        bars = [bar for bar in bars if bar.value <= limit][:MOST]
    if not bars:
        return Markup()
    half = -(-len(bars) // 2) if len(bars) > 8 else len(bars)
    return pair(
        *(
            decibel_chart(f"Signal to noise, layers {start + 1} on", some, bars)
            for start, some in ((0, bars[:half]), (half, bars[half:]))
        )
    )


def _bar(layer: Mapping[str, Any]) -> Bar:
    tensor = str(layer.get("tensor", ""))
    operator = str(layer.get("operator", ""))
    own = str(layer.get("layer") or "")
    steps = tensor.split(";")[0].split("/")
    name = own or (steps[-2] if len(steps) > 1 else operator.lower())
    return Bar(
        clipped(name, 40), f"{operator} {tensor}", number(layer, "snr_db") or 0.0
    )
