"""One picture: what thirty epochs cost, what bytes are needed, which goals are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from phone.picture import FAINT, INK, STYLE

from .accuracy import COMPACT
from .epochs import EPOCHS
from .table import MOST, middle, reached

STORED, LIVE, KERAS, FAR = "#0b7a75", "#3f7fbf", "#c7762b", "#c2557a"
FURTHEST = 1.5
"""Of its goal: where a figure that misses by more is drawn, as an arrow."""


def draw(parts: Mapping[str, Any], path: Path) -> None:
    """Write the picture; the panel of a part that was not run stays empty."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, 3, figsize=(15, 4.6), width_ratios=(1.2, 1, 1), layout="constrained"
        )
        panels = (
            ("epochs", "The teacher is paid once", _cost),
            ("accuracy", "A few bytes say as much", _bytes),
            (None, "Against the goals", _goals),
        )
        for axis, (part, title, panel) in zip(axes, panels, strict=True):
            axis.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold")
            if part is None:
                panel(axis, parts)
            elif part in parts:
                panel(axis, parts[part])
            else:
                axis.set_axis_off()
        figure.savefig(path, dpi=150, facecolor="white")
        plt.close(figure)


def crossing(once: float, each: float, live: float) -> float | None:
    """After how many epochs a store has cost less; None where it never will."""
    return once / (live - each) if live > each else None


def _cost(axis, found: Mapping[str, Any]) -> None:
    """CPU time summed over the epochs, in epochs of the student alone."""
    seconds = found["seconds"]["cpu"]
    unit = seconds["student.fit"]
    once, stored, live, theirs = (
        seconds[name] / unit
        for name in ("label", "stored", "live", "keras.distillation")
    )
    epochs = np.linspace(0, EPOCHS, 2)
    lines = (
        ("keras.distillation", KERAS, "-", theirs * epochs),
        ("keras_kd, live", LIVE, "-", live * epochs),
        ("keras_kd, stored", STORED, "-", once + stored * epochs),
        ("student alone", INK, ":", epochs),
    )
    first = axis.inset_axes((0.08, 0.54, 0.3, 0.37))
    for name, colour, style, values in lines:
        for panel in (axis, first):
            panel.plot(epochs, values, style, color=colour, lw=1 + 1.6 * (style == "-"))
        axis.annotate(
            f"{name}  {values[-1]:.0f}", (EPOCHS, values[-1]), (7, 0), color=colour,
            textcoords="offset points", va=_side(values, lines), annotation_clip=False,
        )  # fmt: skip
    axis.fill_between(
        epochs, once + stored * epochs, live * epochs, color=LIVE, alpha=0.07
    )
    _frame(axis, "epochs", "CPU time, in epochs of the student alone")
    axis.set_xlim(0, EPOCHS)
    axis.set_ylim(0, 1.02 * max(theirs, live) * EPOCHS)
    paid = crossing(once, stored, live)
    shown = 3.0
    if paid is not None and paid < EPOCHS:
        shown = max(shown, 1.6 * paid)
        first.plot(
            paid, live * paid, "o", ms=7, mfc="white", mec=STORED, mew=2, zorder=5
        )
        words = f"the first epochs: paid for after {paid:.1f}"
        first.set_title(words, loc="left", fontsize=8.5, color=STORED)
    first.set_xlim(0, min(shown, EPOCHS))
    first.set_ylim(0, max(theirs, live) * min(shown, EPOCHS))
    first.tick_params(labelsize=7)
    first.grid(color=FAINT, lw=0.5)


def _side(values: Any, lines: Any) -> str:
    """Above or below its end, where another line ends close by."""
    ends, end = sorted(line[3][-1] for line in lines), values[-1]
    near = [other for other in ends if 0 < abs(other - end) < 0.05 * ends[-1]]
    if not near:
        return "center"
    return "bottom" if end > near[0] else "top"


def _bytes(axis, found: Mapping[str, Any]) -> None:
    """A student's accuracy over the bytes of a row."""
    rows, place = found["students"], axis.get_yaxis_transform()
    stored = {name: row for name, row in rows.items() if row["bytes"] is not None}
    for turn, name in enumerate(sorted(stored, key=lambda name: stored[name]["bytes"])):
        row = stored[name]
        mean, spread = 100 * row["accuracy"], 100 * row["sd"]
        colour, above = STORED if name == COMPACT else LIVE, turn % 2 == 0
        look = {"fmt": "o", "ms": 7, "lw": 1.6, "capsize": 4, "color": colour}
        axis.errorbar(row["bytes"], mean, yerr=spread, **look)
        end = mean + (spread if above else -spread)
        axis.annotate(
            f"{name}\n{row['bytes']:,} bytes", (row["bytes"], end),
            (0, 6 if above else -6), textcoords="offset points", ha="center",
            va="bottom" if above else "top", color=colour,
        )  # fmt: skip
    for row in rows.values():
        if row["bytes"] is None:
            mean, spread = 100 * row["accuracy"], 100 * row["sd"]
            axis.axhspan(mean - spread, mean + spread, color=FAINT, lw=0)
            axis.axhline(mean, color=INK, lw=0.9, ls=":")
            words = f"labels alone, {mean:.1f}"
            axis.text(
                0.98, mean + spread, words, transform=place, ha="right", va="bottom"
            )
    axis.set_xscale("log")
    axis.margins(0.25, 0.3)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.minorticks_off()
    along = f"bytes a view, {found['classes']:,} classes"
    up = f"student's accuracy, %, mean ± s.d. of {found['seeds']} seeds"
    _frame(axis, along, up)


def _goals(axis, parts: Mapping[str, Any]) -> None:
    """Each figure in units of its goal; left of the line is kept."""
    rows = [row for row in reached(parts) if row["kept"] is not None and row["limit"]]
    for place, row in enumerate(rows):
        value, limit = middle(row["is"]), row["limit"]
        share = value / limit if row["sign"] == MOST else limit / max(value, 1e-9)
        colour = STORED if row["kept"] else FAR
        shown = max(min(share, FURTHEST), 0.0)
        axis.hlines(place, min(shown, 1), max(shown, 1), color=colour, lw=2)
        axis.plot(shown, place, ">" if share > FURTHEST else "o", ms=7, color=colour)
        words = f"{value:.3g}  ({row['sign']} {limit:g})"
        across = axis.get_yaxis_transform()
        axis.text(1.03, place, words, transform=across, va="center", color=colour)
    axis.axvspan(0, 1, color=STORED, alpha=0.05, lw=0)
    axis.axvline(1, color=INK, lw=1)
    axis.set_yticks(range(len(rows)), [row["goal"] for row in rows], fontsize=8.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, FURTHEST + 0.03)
    axis.set_xlabel("in units of its goal; shaded: kept")
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _frame(axis, along: str, up: str) -> None:
    axis.set_xlabel(along)
    axis.set_ylabel(up)
    axis.grid(color=FAINT, lw=0.6)
    axis.set_axisbelow(True)
