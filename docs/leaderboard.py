"""A loss's figures, from `benchmarks/results/leaderboard.json`."""

from __future__ import annotations

from typing import Any

NOT_RUN = "– (not run)"
NAMES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "cnn": "CNN",
    "mobilenet": "MobileNet",
    "resnet": "ResNet",
    "vit": "ViT",
}


def figures(name: str, own_methods: list[str], results: dict | None) -> str:
    """What the methods of a loss reached; a dash where none has been run."""
    if results is None:
        return NOT_RUN
    of_methods = results["by_method"]
    run = results["by_loss"].get(name, [])
    names = [method for method in own_methods if method in run]
    names += [method for method in run if method not in names]
    lines = [line(m, of_methods[m]) for m in names if m in of_methods]
    return "; ".join(lines) or NOT_RUN


def origin(results: dict | None) -> str:
    """Where the figures come from, once for the page."""
    if results is None:
        return ""
    return (
        f"The leaderboard's figures are of `{results['command']}`: small networks, a "
        "short budget that is equal for all, so they compare and do not crown. All of "
        "them: [leaderboard.md](../benchmarks/results/leaderboard.md).\n"
    )


def line(method: str, row: dict[str, Any]) -> str:
    """One method's figures: accuracy, its neighbours, and the share of the gap."""
    if row["accuracy"] is None:
        return f"`{method}` failed"
    pair = " → ".join(NAMES.get(kind, kind) for kind in row["pair"].split("_"))
    where = f"{NAMES.get(row['data'], row['data'])}, {pair}"
    spread = "" if row["sd"] is None else f" ± {100 * row['sd']:.1f}"
    about = [f"n = {row['n']}"]
    for key, words in (("no_teacher", "no teacher"), ("teacher", "teacher")):
        if row.get(key) is not None:
            about.append(f"{words} {100 * row[key]:.1f}")
    gap = row.get("gap_closed")
    closed = "" if gap is None else f", gap closed {100 * gap:.0f} %"
    accuracy = f"{100 * row['accuracy']:.1f}{spread} %"
    return f"`{method}` on {where}: {accuracy} ({'; '.join(about)}){closed}"
