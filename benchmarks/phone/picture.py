"""One picture of all files: what they lose, how large they are, how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .measuring import mean

COLOURS = {
    "float32": "#5b6472",
    "float16": "#93a0b0",
    "dynamic_int8": "#3f7fbf",
    "int8": "#0b7a75",
    "int16x8": "#b98b2f",
    "weight_only_int8": "#8cc0e6",
    "weight_only_int4": "#c2557a",
}
INK, FAINT = "#222a33", "#d9dee4"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
TICKS = (0.25, 0.5, 1, 2, 4, 10, 30, 100)

Key = tuple[str, str]


def draw(tasks: dict[str, dict[str, Any]], path: Path) -> None:
    """Write the picture; a task that was skipped is left out."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    shown = {name: task for name, task in tasks.items() if _rows(task)}
    if not shown:
        return
    found = {key for task in shown.values() for key in _rows(task)}
    keys = [(r, t) for r in COLOURS for t in ("after", "aware") if (r, t) in found]
    ratios = [r["latency_ratio"] for t in shown.values() for r in _rows(t).values()]
    low, high = min([0.5, *ratios]) / 1.3, max([2.0, *ratios]) * 2.4
    tall = 0.21 * len(keys) + 0.2
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            3,
            len(shown),
            figsize=(1.9 + 2.9 * len(shown), 3.4 + 2 * tall),
            height_ratios=(2.3, tall, tall),
            sharey="row",
            sharex="row",
            squeeze=False,
            layout="constrained",
        )
        for column, (name, task) in zip(axes.T, shown.items(), strict=True):
            rows = _rows(task)
            _accuracy(column[0], name, task, rows)
            _bars(column[1], keys, rows)
            _dots(column[2], keys, rows, low, high)
        axes[0, 0].set_ylabel("accuracy, points against\nthe float student")
        for axis in axes[1:, 0]:
            names = [recipe + " QAT" * (how == "aware") for recipe, how in keys]
            axis.set_yticks(range(len(keys)), names)
            axis.set_ylim(len(keys) - 0.4, -0.6)
        handles = [
            plt.Line2D([], [], marker=m, ls="", mfc=f, mec=INK, ms=7, label=words)
            for m, f, words in (
                ("o", "white", "quantized after the training (PTQ)"),
                ("D", INK, "trained on quantize-aware, the teacher teaching (QAT)"),
            )
        ]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=2, frameon=False
        )
        figure.savefig(path, dpi=160, facecolor="white")
        plt.close(figure)


def _accuracy(axis, name, task, rows) -> None:
    """Points against the float student over the share of float32's bytes."""
    plain = rows["float32", "after"]
    for (recipe, training), row in rows.items():
        aware = training == "aware"
        axis.plot(
            row["bytes"] / plain["bytes"],
            -mean(row["drop"]),
            marker="D" if aware else "o",
            markersize=8 if aware else 9,
            markeredgewidth=2,
            markeredgecolor=COLOURS[recipe],
            markerfacecolor=COLOURS[recipe] if aware else "white",
            linestyle="",
            zorder=4 if aware else 3,
            clip_on=False,
        )
    axis.axhline(0, color=COLOURS["float32"], lw=0.8, ls=":", zorder=1)
    axis.set_title(f"{name}\n\n", loc="left", fontsize=13, fontweight="bold")
    right = f"teacher {task['teacher']:.1%}, student {mean(task['student']):.1%}"
    for height, words in ((1.17, task["about"].split(", ")[0]), (1.06, right)):
        axis.text(0, height, words, transform=axis.transAxes)
    axis.set_xlabel("bytes, × float32")
    axis.margins(0.08, 0.15)
    axis.grid(color=FAINT, lw=0.6)
    axis.set_axisbelow(True)
    axis.set_xticks((0, 0.25, 0.5, 0.75, 1))
    axis.set_xlim(0, 1.06)


def _bars(axis, keys: list[Key], rows) -> None:
    """Bytes of each file, as a share of float32's."""
    plain = rows["float32", "after"]
    _frame(axis, "bytes, × float32")
    for place, key in enumerate(keys):
        if key not in rows:
            _absent(axis, place)
            continue
        value = rows[key]["bytes"] / plain["bytes"]
        axis.barh(place, value, height=0.66, color=COLOURS[key[0]])
        axis.text(value + 0.02, place, f"{value:.2f}", va="center", fontsize=8)
    axis.set_xlim(0, 1.18)
    axis.set_xticks((0, 0.25, 0.5, 0.75, 1))


def _dots(axis, keys: list[Key], rows, low: float, high: float) -> None:
    """Latency of each file in multiples of float32's, on a logarithmic axis."""
    _frame(axis, "latency, × float32 (x86-64, one thread)")
    axis.axvline(1, color=COLOURS["float32"], lw=0.8, ls=":")
    for place, key in enumerate(keys):
        if key not in rows:
            continue
        value, colour = rows[key]["latency_ratio"], COLOURS[key[0]]
        axis.hlines(place, min(1, value), max(1, value), color=colour, lw=2.6)
        axis.plot(value, place, "o", ms=6, color=colour)
        axis.annotate(
            f"{value:.2f}" if value < 10 else f"{value:.0f}",
            (max(value, 1), place),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    axis.set_xticks([tick for tick in TICKS if low <= tick <= high])
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.minorticks_off()


def _frame(axis, title: str) -> None:
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_title(title, loc="left", fontsize=9)


def _absent(axis, place: int) -> None:
    axis.text(0.02, place, "–", va="center", color=COLOURS["float16"], fontsize=8)


def _rows(task: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """The rows that were measured, by recipe and training."""
    return {
        (row["recipe"], row["training"]): row
        for row in task.get("rows", ())
        if "failed" not in row
    }
