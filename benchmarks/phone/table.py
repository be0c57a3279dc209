"""The figures as Markdown, and which goals they reach."""

from __future__ import annotations

from typing import Any

from .measuring import mean

GOALS = {
    "size": ("int8 bytes : float32 bytes, CNNs", 0.27),
    "drop after": ("accuracy lost by int8 after training, CNNs, points", 0.5),
    "drop aware": ("accuracy lost by int8 trained quantize-aware, CNNs, points", 0.2),
    "drop beside": ("the same, against the float student trained on as long", 0.2),
    "instructions": ("int8 instructions : float32 instructions, arm64, CNNs", 0.6),
}
KINDS = {"aware": "QAT", "after": "PTQ"}
HEAD = (
    "| recipe | training | bytes | of float32 | gzip | accuracy | points lost "
    "| same class | p50 | of float32 | instructions |"
)


def markdown(tasks: dict[str, dict[str, Any]], cpu: str) -> str:
    """All tables and goals; `cpu` as `byte_products` has it."""
    parts = [
        "Students distilled from real teachers, and every file of theirs. PTQ: "
        "quantized after the training. QAT: trained on with `quantize_aware`, the "
        "teacher still teaching; its int8 is exported without calibration data. Points "
        "lost and same class are against the float student before that. p50: LiteRT, "
        f"one thread of an x86-64 CPU {cpu}, in turns with the float32 file. "
        "Instructions: of one inference under arm64 emulation with dot products, "
        "against float32.",
    ]
    parts += [_task(name, task) for name, task in tasks.items()]
    parts.append(_goals(tasks))
    return "\n\n".join(parts) + "\n"


def reached(tasks: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """For each CNN and goal, what was measured and whether it is reached."""
    found = []
    for name, task in tasks.items():
        rows = {(r["recipe"], r["training"]): r for r in task.get("rows", ())}
        if task.get("family") != "cnn" or not rows:
            continue
        plain = rows["float32", "after"]
        after = rows.get(("int8", "after"), {"failed": "not measured"})
        aware = rows.get(("int8", "aware"), {"failed": "not measured"})
        measured = {
            "size": _share(after, plain, "bytes"),
            "drop after": mean(after["drop"]) if "drop" in after else None,
            "drop aware": mean(aware["drop"]) if "drop" in aware else None,
            "drop beside": _beside(task, aware),
            "instructions": _share(after, plain, "instructions"),
        }
        for key, value in measured.items():
            words, goal = GOALS[key]
            met = None if value is None else value <= goal
            found.append(
                {"task": name, "goal": words, "limit": goal, "is": value, "met": met}
            )
    return found


def _task(name: str, task: dict[str, Any]) -> str:
    if "skipped" in task:
        return f"## {name}\n\nSkipped: {task['skipped']}"
    settings = task["settings"]
    seeds = len(settings["seeds"])
    of_seeds = f", mean of {seeds} seeds" if seeds > 1 else ", one seed"
    auto = task["auto"]
    lines = [
        f"## {name}: {task['about']}",
        "",
        f"Teacher: {settings['teacher']}, {task['teacher']:.2%}. Student: "
        f"{settings['parameters']:,} parameters, {mean(task['student']):.2%}{of_seeds} "
        f"(trained on as long as QAT: {mean(task['more']):.2%}), "
        f"{settings['training inputs']:,} inputs for training, "
        f"{settings['test inputs']:,} for the test, of which one is "
        f"{100 / settings['test inputs']:.2f} points. `auto` takes `{auto['recipe']}`: "
        f"{auto['reason']}.",
        "",
        HEAD,
        "|---|---|" + "---:|" * 9,
    ]
    plain = task["rows"][0]
    lines += [_row(row, plain) for row in task["rows"]]
    reasons = {r["no_instructions"] for r in task["rows"] if "no_instructions" in r}
    lines += ["", *(f"No instructions: {reason}" for reason in sorted(reasons))]
    return "\n".join(lines).rstrip()


def _row(row: dict[str, Any], plain: dict[str, Any]) -> str:
    kind = KINDS[row["training"]]
    if row["recipe"] in ("float32", "float16"):
        kind = "–"
    if "failed" in row:
        return f"| {row['recipe']} | {kind} | {row['failed']} |" + " |" * 8
    counted = _share(row, plain, "instructions")
    cells = [
        row["recipe"],
        kind,
        f"{row['bytes']:,}",
        f"{row['bytes'] / plain['bytes']:.3f}",
        f"{row['gzip_bytes']:,}",
        f"{mean(row['accuracy']):.2%}" + _few(row, plain),
        f"{_rounded(mean(row['drop']), 2):.2f}",
        f"{mean(row['agreement']):.2%}",
        _duration(row["latency_ms"]),
        f"{row['latency_ratio']:.2f}",
        "–" if counted is None else f"{counted:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _goals(tasks: dict[str, dict[str, Any]]) -> str:
    lines = [
        "## Goals",
        "",
        "| | student | goal | measured | |",
        "|---|---|---:|---:|---|",
    ]
    words = {True: "reached", False: "**not reached**", None: "not measured"}
    for row in reached(tasks):
        value = "–" if row["is"] is None else f"{_rounded(row['is'], 4):g}"
        lines.append(
            f"| {row['goal']} | {row['task']} | ≤ {row['limit']} | {value} "
            f"| {words[row['met']]} |"
        )
    lines += _description(tasks)
    return "\n".join(lines)


def _beside(task: dict[str, Any], aware: dict[str, Any]) -> float | None:
    """Points that the quantize-aware file has less than a float student as old."""
    if "accuracy" not in aware:
        return None
    return 100 * (mean(task["more"]) - mean(aware["accuracy"]))


def _description(tasks: dict[str, dict[str, Any]]) -> list[str]:
    """Bytes of the CNNs' int8 files beyond one for each weight."""
    found = [
        f"{row['bytes'] - row['parameters']:,} ({name})"
        for name, task in tasks.items()
        for row in task.get("rows", ())
        if (row["recipe"], row["training"]) == ("int8", "after") and "bytes" in row
    ]
    if not found:
        return []
    return [
        "",
        "Beside a byte for each weight, the int8 files hold what describes them, the "
        f"scale of every channel foremost: {', '.join(found)} bytes.",
    ]


def _few(row: dict[str, Any], plain: dict[str, Any]) -> str:
    """How many samples, where they were fewer than float32 had."""
    count = row["samples"][0]
    return f" of {count:,}" if count < plain["samples"][0] else ""


def _duration(milliseconds: float) -> str:
    if milliseconds < 0.1:
        return f"{1000 * milliseconds:.1f} µs"
    return f"{milliseconds:.3f} ms"


def _rounded(value: float, digits: int) -> float:
    """Without the minus of a nought."""
    return round(value, digits) + 0.0


def _share(row: dict[str, Any], plain: dict[str, Any], key: str) -> float | None:
    if not row.get(key) or not plain.get(key):
        return None
    return row[key] / plain[key]
