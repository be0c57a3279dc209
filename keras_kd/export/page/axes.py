"""Where values fall on a chart, and the lines and numbers that say so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from keras_kd.export.page.markup import Markup, element

Format = Callable[[float], str]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Maps values in `[low, high]` to coordinates from `start` to `end`.

    Args:
        low: Float. The value at `start`.
        high: Float. The value at `end`; more than `low`.
        start: Float. A coordinate.
        end: Float. A coordinate.
        logarithmic: Boolean. Whether equal ratios are equally far apart. Defaults
            to `False`.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = (math.log10(max(v, low)) for v in (value, low, high))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values within the range."""
        if self.logarithmic:
            return decades(self.low, self.high)
        return round_values(self.low, self.high)


def round_values(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = (factor * power for factor in (1, 2, 5, 10, 20))
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [index * step for index in range(first, last + 1)]
    return [low, high]


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten within the range; with 2 and 5 times these where it is short."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = 1 + max(0, last - first - 2) // most
    tens = [10.0**power for power in range(first, last + 1, stride)]
    fine = [factor * ten for ten in tens for factor in (1, 2, 5)]
    within = [value for value in fine if low <= value <= high]
    if len(within) <= most + 1:
        return within
    return [ten for ten in tens if low <= ten <= high]


def padded(
    values: Sequence[float],
    least: float,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[float, float]:
    """A range with some room around the values.

    Args:
        values: Floats.
        least: Float. The range's smallest width, so that noise looks like noise.
        low: Float. What the range does not go below.
        high: Float. What the range does not go above.
    """
    bottom, top = min(values), max(values)
    room = max(0.06 * (top - bottom), (least - (top - bottom)) / 2)
    bottom, top = bottom - room, top + room
    if top > high:
        bottom, top = bottom - (top - high), high + 0.03 * (top - bottom)
    return max(low, bottom), top


def horizontal(scale: Scale, top: float, bottom: float, text: Format) -> list[Markup]:
    """Vertical grid lines with their values below."""
    return [
        part
        for tick in scale.ticks()
        for part in (
            line(scale(tick), top, scale(tick), bottom, "grid"),
            label(scale(tick), bottom + 17, text(tick), "tick middle"),
        )
    ]


def vertical(scale: Scale, left: float, right: float, text: Format) -> list[Markup]:
    """Horizontal grid lines with their values on the left."""
    return [
        part
        for tick in scale.ticks()
        for part in (
            line(left, scale(tick), right, scale(tick), "grid"),
            label(left - 8, scale(tick) + 4, text(tick), "tick end"),
        )
    ]


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(
    x: float, y: float, text: str, class_: str, title: str | None = None
) -> Markup:
    """A line of text; its title is what one reads when pointing at it."""
    name = element("title", title) if title else None
    return element("text", name, text, x=x, y=y, class_=class_)
