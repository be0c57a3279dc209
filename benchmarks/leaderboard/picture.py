"""The leaderboard as one picture: a panel per pair, a line per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phone.picture import FAINT, INK, STYLE

from .entries import NO_TEACHER
from .table import ENOUGH

COLOURS = {
    NO_TEACHER: INK,
    "logits": "#3f7fbf",
    "features": "#0b7a75",
    "relations": "#b98b2f",
    "contrast": "#c2557a",
    "classifier": "#d1603d",
    "tokens": "#7a5ab5",
}
LEAST = 0.01
"""The least width of a panel on each side of the mean without a teacher."""


def draw(boards: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture; boards without a run are left out."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown = [board for board in boards if board["rows"]]
    if not shown:
        return
    tall = max(len(board["rows"]) for board in shown)
    families = {row["family"] for board in shown for row in board["rows"]}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(shown),
            figsize=(0.4 + 4.4 * len(shown), 2.3 + 0.2 * tall),
            squeeze=False,
            layout="constrained",
        )
        for axis, board in zip(axes[0], shown, strict=True):
            _panel(axis, board, tall)
        handles = [
            plt.Line2D([], [], marker="o", ls="", color=colour, label=family)
            for family, colour in COLOURS.items()
            if family in families and family != NO_TEACHER
        ]
        handles += [
            plt.Line2D([], [], ls=style, lw=0.9, color=INK, label=words)
            for style, words in (("--", "no teacher"), (":", "teacher"))
        ]
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(3 * len(shown), 8),
            frameon=False,
            title=f"mean ± s.d.; * fewer than {ENOUGH} runs",
        )
        figure.savefig(path, dpi=150, facecolor="white", bbox_inches="tight")
        plt.close(figure)


def _panel(axis, board: Mapping[str, Any], tall: int) -> None:
    rows, teacher = board["rows"], board["teacher"]["accuracy"]
    plain = next((r["accuracy"] for r in rows if r["method"] == NO_TEACHER), None)
    low, high, lines = _limits(rows, plain, teacher)
    for value, style in lines:
        axis.axvline(100 * value, color=INK, lw=0.9, ls=style, zorder=1)
    for place, row in enumerate(rows):
        value, colour = 100 * row["accuracy"], COLOURS[row["family"]]
        if value < low:
            axis.plot(low, place, "<", color=colour, ms=5, clip_on=False)
        else:
            spread = 100 * (row["sd"] or 0)
            axis.errorbar(
                value, place, xerr=spread, fmt="o", ms=4.5, lw=1.4, color=colour
            )
        words = f"{value:.1f}" + "*" * (row["n"] < ENOUGH)
        axis.text(1.01, place, words, transform=_beside(axis), va="center")
    names = [row["method"].replace("_", " ") for row in rows]
    axis.set_yticks(range(len(rows)), names)
    axis.set_ylim(tall - 0.4, -0.6)
    axis.set_xlim(low, high)
    axis.set_xlabel("accuracy, %")
    axis.grid(axis="y", color=FAINT, lw=0.5)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_axisbelow(True)
    title = f"{board['data']}, {board['pair'].replace('_', ' → ')}\n\n\n"
    axis.set_title(title, loc="left", fontsize=12, fontweight="bold", linespacing=0.8)
    right = f"teacher {teacher:.1%}" + " (off the scale)" * (100 * teacher > high)
    if plain is not None:
        right += f", student without one {plain:.1%}"
    words = board["about"].replace(" per stage", "").replace(" of width", "")
    _free(axis.text(0, 1.045, words, transform=axis.transAxes, fontsize=8))
    _free(axis.text(0, 1.01, right, transform=axis.transAxes, fontsize=8))


def _free(words) -> None:
    """Let words stand where they are: the panel is not made narrower for them."""
    words.set_in_layout(False)


def _limits(rows, plain: float | None, teacher: float):
    """Percent from where to where, and the lines within.

    A collapsed method does not squeeze the others, and nor does a far teacher.
    """
    values = [row["accuracy"] for row in rows]
    spread = max((row["sd"] or 0 for row in rows), default=0)
    best = max(values)
    base = best if plain is None else plain
    room = max(best - base, LEAST) + spread
    low = max(min(values) - spread, base - 1.5 * room)
    lines = [] if plain is None else [(plain, "--")]
    high = best + spread
    if best <= teacher <= base + 2.5 * room:
        high = teacher
        lines.append((teacher, ":"))
    margin = 0.06 * (high - low)
    return 100 * (low - margin), 100 * (high + margin), lines


def _beside(axis):
    """x as a share of the panel, y in the lines of the methods."""
    return axis.get_yaxis_transform()
