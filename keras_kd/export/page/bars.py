"""Decibels as bars, one row a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras_kd.export.page import axes
from keras_kd.export.page.axes import Scale, label
from keras_kd.export.page.charts import LETTER, WIDTH
from keras_kd.export.page.markup import Markup, element
from keras_kd.export.page.words import clipped, decibels

STEP, THICK = 22.0, 9.0
LONGEST = 20
WEAK = 20.0
"""Decibels under which a bar is marked: one part in a hundred of the power is error."""


class Bar(NamedTuple):
    """A row: its name, what it is read as when pointed at, and its decibels."""

    name: str
    title: str
    value: float


def decibel_chart(title: str, bars: Sequence[Bar], alike: Sequence[Bar] = ()) -> Markup:
    """Horizontal bars from zero.

    Args:
        title: String, read out in place of the picture.
        bars: List of `Bar`.
        alike: Bars of charts beside this one, to have the same axis and columns.
            Defaults to `()`.

    Returns:
        The SVG element; empty `Markup` where there is nothing to draw.
    """
    if not bars:
        return Markup()
    every = [*bars, *alike]
    # What is exact has no place on the axis: its bar is as long as the longest.
    measured = [bar.value for bar in every if bar.value < 200]
    high = max([10.0, *measured]) * 1.02
    low = min([0.0, *(max(value, -40.0) for value in measured)])
    left = 14 + LETTER * max(len(clipped(bar.name, LONGEST)) for bar in every)
    x = Scale(low, high, left, WIDTH - 62)
    bottom = 4 + STEP * len(bars)
    parts = axes.horizontal(x, 4, bottom, lambda value: f"{value:.0f}")
    parts.append(label(WIDTH, bottom + 17, "dB", "axis end"))
    for index, bar in enumerate(bars):
        y = 4 + STEP * (index + 0.5)
        ends = sorted((x(0.0), x(min(max(bar.value, low), high))))
        parts += [
            label(0, y + 4, clipped(bar.name, LONGEST), "name", bar.title),
            element(
                "rect",
                element("title", f"{bar.title}: {decibels(bar.value)}"),
                x=ends[0], y=y - THICK / 2, width=max(1.5, ends[1] - ends[0]),
                height=THICK, class_="bars" if bar.value < WEAK else "bars sound",
            ),
            label(WIDTH, y + 4, decibels(bar.value), "note end"),
        ]  # fmt: skip
    return element(
        "svg",
        element("title", title),
        parts,
        viewBox=f"0 0 {WIDTH:.0f} {bottom + 24:.0f}",
        role="img",
        class_="chart",
    )
