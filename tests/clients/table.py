"""The table of what runs where, from the results of the last run.

    python -m tests.clients.table

writes `benchmarks/results/clients.md`: a row for each recipe, a column for each
client. A cell is the worst over the students that the client was given. What README
shows is the same in short, and written only if every client ran.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.clients.cases import CASES, TWO_SIGNATURES
from tests.clients.paths import README, RESULTS, TABLE

Outcomes = dict[str, dict[str, str]]

HEAD = """What runs where, from the last `make test-clients`, over trained
students of every family.

The references, LiteRT x86 and onnxruntime x86, are held against Keras: the largest
difference of an output, relative to the spread of all. The others are held against
them. **bit-equal**: the same in every bit. **1 step**: largest difference in steps of
a quantized output. **1e-07**: largest difference of a float output, relative to the
spread. A number in brackets: so many students of those tried.
"""


def read(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What the clients recorded."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def short(detail: str) -> str:
    """`steps 0, agreement 1` as `bit-equal`, `error 2e-07, …` as `2e-07`."""
    steps = re.match(r"steps ([\d.]+)", detail)
    if steps:
        count = float(steps[1])
        return f"{count:g} step{'s' * (count > 1)}" if count else "bit-equal"
    error = re.match(r"error ([\d.e+-]+)", detail)
    if error:
        return f"{float(error[1]):.0e}" if float(error[1]) else "bit-equal"
    return detail.partition(",")[0].replace("agreement 1", "same classes")


def rank(text: str) -> float:
    """Orders cells from the best to the worst."""
    if text == "bit-equal":
        return 0.0
    number = re.match(r"[\d.e+-]+", text)
    return float(number[0]) if number else 0.5


def cell(outcomes: Outcomes) -> str:
    """One cell: what the students fared like, the worst of the figures."""
    groups: dict[str, list[str]] = {}
    for found in outcomes.values():
        groups.setdefault(found["outcome"], []).append(found["detail"])
    parts = []
    for outcome in ("right", "wrong", "refused"):
        details = groups.get(outcome, [])
        if not details:
            continue
        count = f" ({len(details)} of {len(outcomes)})" if len(groups) > 1 else ""
        if outcome == "right":
            text = max(map(short, details), key=rank)
        else:
            text = "**wrong**" if outcome == "wrong" else "refused"
        parts.append(text + count)
    return ", ".join(parts)


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [HEAD]
    for title, prefix in (("`.tflite`", ""), ("`.onnx`", "onnx ")):
        labels = [
            label
            for label in dict.fromkeys(c.label for c in (*CASES, TWO_SIGNATURES))
            if label.startswith("onnx ") == bool(prefix)
        ]
        ran = [r for r in results if any(label in r["outcomes"] for label in labels)]
        if not ran:
            continue
        lines.append("| " + " | ".join([title, *map(heading, ran)]) + " |")
        lines.append("|---" * (len(ran) + 1) + "|")
        for label in labels:
            cells = [cell(result["outcomes"].get(label, {})) or "–" for result in ran]
            name = label.removeprefix(prefix)
            lines.append("| " + " | ".join([name, *cells]) + " |")
        lines.append("")
    return "\n".join([*lines, *remarks(results)]) + "\n"


def heading(result: dict[str, Any]) -> str:
    """`onnxruntime 1.31.1`."""
    return f"{result['client']} {result['version']}".strip()


def remarks(results: list[dict[str, Any]]) -> list[str]:
    """Why files were refused, and why clients did not run."""
    lines = []
    for result in results:
        reasons: dict[str, list[str]] = {}
        for recipe, outcomes in result["outcomes"].items():
            for student, found in outcomes.items():
                if recipe == "*":
                    lines.append(f"- {result['client']} skipped: {found['detail']}")
                elif found["outcome"] in ("refused", "wrong"):
                    where = f"{recipe} of {student}"
                    reasons.setdefault(found["detail"], []).append(where)
        for reason, where in reasons.items():
            said = reason.replace("|", "\\|").replace("\n", " ")[:200]
            lines.append(f"- {result['client']}, {', '.join(where)}: {said}")
    return lines


SHORT = {
    "float32": "float32",
    "float16": "float16",
    "dynamic_int8": "dynamic_int8",
    "int8, ends uint8": "int8 (uint8)",
    "ends int8": "int8 (int8)",
    "int16x8": "int16x8",
    "weight-only int8": "weight_only_int8",
    "int4": "weight_only_int4",
}
"""The columns of README's table, by the labels of the cases."""

BLOCK = re.compile(r"(<!-- clients -->\n).*?(<!-- /clients -->)", re.DOTALL)


def summary(results: list[dict[str, Any]]) -> str:
    """README's table: a row for each client, and whether each recipe runs there."""
    lines = [
        "| client | " + " | ".join(SHORT) + " |",
        "|---" * (len(SHORT) + 1) + "|",
    ]
    for result in results:
        outcomes = result["outcomes"]
        onnx = any(label.startswith("onnx ") for label in outcomes)
        cells = []
        for label in SHORT.values():
            found = outcomes.get(label, {})
            if onnx:  # its one int8 file has float ends
                label = "int8" if label == "int8 (uint8)" else label
                found = outcomes.get(f"onnx {label}", {})
            kinds = [x["outcome"] for x in found.values()]
            right = kinds.count("right")
            cell = "–" if not kinds else "wrong" if "wrong" in kinds else "refused"
            if right and "wrong" not in kinds:
                cell = "yes" if right == len(kinds) else f"{right} of {len(kinds)}"
            cells.append(cell)
        lines.append("| " + " | ".join([heading(result), *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table, its figures, and README's part."""
    results = read()
    TABLE.write_text(table(results))
    TABLE.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    if not any("*" in result["outcomes"] for result in results):
        text = README.read_text(encoding="utf-8")
        README.write_text(
            BLOCK.sub(lambda found: found[1] + summary(results) + found[2], text),
            encoding="utf-8",
        )
    print(TABLE.read_text())


if __name__ == "__main__":
    main()
