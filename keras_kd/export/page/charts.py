"""Charts as inline SVG: pure functions of numbers and names.

Colours come from the page's style sheet, by the class of a mark (`"teacher"`,
`"student"`, `"baseline"`, …), so a chart is light or dark as its page is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from keras_kd.export.page import axes
from keras_kd.export.page.axes import Scale, label, line
from keras_kd.export.page.markup import Markup, element
from keras_kd.export.page.words import clipped, percent, short

WIDTH = 440.0
LETTER = 6.7
"""About the width of a letter."""


@dataclasses.dataclass(frozen=True)
class Series:
    """A line of a chart.

    Args:
        name: String, for the legend.
        kind: String. Class that colours it.
        values: List of floats, one a step; None is a gap.
    """

    name: str
    kind: str
    values: Sequence[float | None]


@dataclasses.dataclass(frozen=True)
class Mark:
    """A point on a row.

    Args:
        value: Float.
        kind: String. Class that colours it.
        name: String, shown when it is pointed at.
        shape: `"dot"`, `"ring"` or `"tick"`. Defaults to `"dot"`.
        radius: Float. Defaults to `6.0`.
    """

    value: float
    kind: str
    name: str
    shape: str = "dot"
    radius: float = 6.0


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a dot chart.

    Args:
        name: String, on the left.
        marks: List of `Mark`.
        note: String, on the right. Defaults to `""`.
        span: Pair of floats joined by a band. Defaults to `None`.
    """

    name: str
    marks: Sequence[Mark]
    note: str = ""
    span: tuple[float, float] | None = None


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    shares: bool = True,
    across: str = "epoch",
    height: float = 260.0,
) -> Markup:
    """Values over steps, which are counted from 1.

    Args:
        title: String, read out in place of the picture.
        series: List of `Series`. Those without a value are left out.
        shares: Boolean. Whether values are shares of one, shown in percent;
            otherwise they are any numbers, on a logarithmic axis where all are
            positive and far apart. Defaults to `True`.
        across: String. The name of a step. Defaults to `"epoch"`.
        height: Float. Defaults to `260.0`.

    Returns:
        The SVG element; empty `Markup` where there is nothing to draw.
    """
    series = [s for s in series if any(v is not None for v in s.values)]
    if not series:
        return Markup()
    steps = max(len(s.values) for s in series)
    values = [v for s in series for v in _settled(s.values, shares)]
    legend, top = _legend([Mark(0.0, s.kind, s.name) for s in series])
    left, right, bottom = 52.0, WIDTH - 12, height - 38
    apart = not shares and min(values) > 0 and max(values) > 30 * min(values)
    if apart:
        low, high = min(values) / 1.15, max(values) * 1.15
    elif shares:
        low, high = axes.padded(values, 0.02, 0.0, 1.0)
    else:
        low, high = axes.padded(values, 1e-3 * max(map(abs, values)) or 1.0)
    y = Scale(low, high, bottom, top, apart)
    x = Scale(1, max(steps, 2), left + 6, right - 6)
    parts = axes.vertical(y, left, right, _share_text(low, high) if shares else short)
    whole = [tick for tick in axes.round_values(1, max(steps, 2)) if tick % 1 == 0]
    for tick in sorted({1, *whole} - {0}):
        parts.append(label(x(tick), bottom + 17, short(tick), "tick middle"))
    parts.append(label(right, bottom + 34, across, "axis end"))
    room = 8.0
    box = (left - room, top - room, right - left + 2 * room, bottom - top + room)
    parts.append(
        element(
            "svg",
            [_curve(s, x, y, shares) for s in series],
            x=box[0], y=box[1], width=box[2], height=box[3],
            viewBox=" ".join(f"{side:.2f}" for side in box),
        )
    )  # fmt: skip
    return _svg(title, height, parts, legend)


def dot_chart(
    title: str,
    rows: Sequence[Row],
    *,
    alike: Sequence[Row] = (),
    legend: Sequence[Mark] = (),
    step: float = 30.0,
) -> Markup:
    """Shares of one as points on rows.

    Args:
        title: String, read out in place of the picture.
        rows: List of `Row`.
        alike: Rows of charts beside this one, to have the same axis and columns.
            Defaults to `()`.
        legend: Marks with the names to explain. Defaults to `()`.
        step: Float. Height of a row. Defaults to `30.0`.

    Returns:
        The SVG element; empty `Markup` where there is nothing to draw.
    """
    every = [*rows, *alike]
    values = [mark.value for row in every for mark in row.marks]
    if not values or not rows:
        return Markup()
    low, high = axes.padded(values, 0.02, 0.0, 1.0)
    keys, top = _legend(legend)
    left = 14 + LETTER * max(len(clipped(row.name, 22)) for row in every)
    right = WIDTH - 18 - LETTER * max(len(row.note) for row in every)
    x = Scale(low, high, left, right)
    bottom = top + step * len(rows)
    parts = axes.horizontal(x, top, bottom, _share_text(low, high))
    for index, row in enumerate(rows):
        y = top + step * (index + 0.5)
        name = clipped(row.name, 22)
        full = row.name if name != row.name else None
        parts.append(label(0, y + 4, name, "name", full))
        if row.span:
            parts.append(line(x(row.span[0]), y, x(row.span[1]), y, "span"))
        parts += [_mark(mark, x(mark.value), y) for mark in row.marks]
        parts.append(label(WIDTH, y + 4, row.note, "note end"))
    return _svg(title, bottom + 26, parts, keys)


def squares(title: str, sizes: Sequence[tuple[str, str, str, float]]) -> Markup:
    """Squares with areas in proportion, on one ground line, the largest first.

    Args:
        title: String, read out in place of the picture.
        sizes: Name, words below it, class and size of each.

    Returns:
        The SVG element.
    """
    largest, ground, x = max(size for *_, size in sizes), 168.0, 0.0
    parts = []
    for name, words, kind, size in sizes:
        side = max(3.0, 160.0 * math.sqrt(size / largest))
        parts += [
            element(
                "rect", x=x, y=ground - side, width=side, height=side,
                class_=f"fill {kind}",
            ),
            label(x, ground + 22, name, "name strong"),
            label(x, ground + 40, words, "tick"),
        ]  # fmt: skip
        x += max(side, 1.2 * LETTER * max(len(name), len(words))) + 26
    parts.append(line(0, ground + 0.5, x - 26, ground + 0.5, "ground"))
    return _svg(title, 214, parts, [], x - 26)


def _share_text(low: float, high: float) -> axes.Format:
    """Percent, with decimals only where the ticks need them."""
    digits = 0 if high - low > 0.045 else 1
    return lambda share: percent(share, digits)


def _svg(
    title: str,
    height: float,
    parts: Sequence[Markup],
    legend: Sequence[Markup],
    width: float = WIDTH,
) -> Markup:
    return element(
        "svg",
        element("title", title),
        parts,
        legend,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        class_="chart",
    )


def _legend(entries: Sequence[Mark]) -> tuple[list[Markup], float]:
    """Marks with names, in as many lines as they need; and where these end."""
    parts, x, y = [], 0.0, 12.0
    for mark in entries:
        name = clipped(mark.name, 34)
        width = 18 + LETTER * len(name) + 16
        if x and x + width > WIDTH + 16:
            x, y = 0.0, y + 20
        parts.append(_mark(dataclasses.replace(mark, radius=5.0), x + 5, y - 4))
        parts.append(label(x + 16, y, name, "name"))
        x += width
    return parts, y + 14 if entries else 4.0


def _settled(values: Sequence[float | None], shares: bool) -> list[float]:
    """What the axis must hold: of a long curve of shares, not the first rise."""
    known = [value for value in values if value is not None]
    return known[len(known) // 8 :] if shares and len(known) >= 16 else known


def _curve(series: Series, x: Scale, y: Scale, shares: bool) -> list[Markup]:
    """Runs of values as lines, and a dot where the last one ends."""
    runs: list[list[tuple[float, float]]] = [[]]
    last = (0, 0.0)
    for step, value in enumerate(series.values, 1):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(step), y(value)))
            last = (step, value)
    parts = [
        element(
            "polyline",
            points=" ".join(f"{px:.1f},{py:.1f}" for px, py in run),
            class_=f"curve {series.kind}",
        )
        for run in runs
        if len(run) > 1
    ]
    text = percent(last[1]) if shares else short(last[1])
    name = f"{series.name}: {text} after {last[0]}"
    end = Mark(last[1], series.kind, name, radius=3.5)
    return [*parts, _mark(end, x(last[0]), y(last[1]))]


def _mark(mark: Mark, x: float, y: float) -> Markup:
    """The shape of a mark with its name."""
    name = element("title", mark.name)
    if mark.shape == "tick":
        tall = 3 * mark.radius
        place = {"x": x - 1.5, "y": y - tall / 2, "width": 3.0, "height": tall}
        return element("rect", name, class_=f"fill {mark.kind}", **place)
    shape = "ring" if mark.shape == "ring" else "fill"
    kind = f"{shape} {mark.kind}"
    return element("circle", name, cx=x, cy=y, r=mark.radius, class_=kind)
