"""The golden values: every public loss once more, by another road.

    python tests/golden/make.py [--out FOLDER]

Plain loops over NumPy float64 numbers, written from the papers' formulas; nothing
of `keras_kd` is imported. Each file of `families/` becomes one JSON file,
`{name: [entry, ...]}`, where an entry holds a case's inputs, arguments, the value
per example and the scalar that the paper publishes. pytest only reads these files.

A new loss: a function in a family's file that computes one example or one batch, and
its cases in that file's `family()`.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent


def text(entries):
    """JSON with one entry a line."""
    blocks = []
    for name, cases in sorted(entries.items()):
        lines = ",\n".join("  " + json.dumps(case, allow_nan=False) for case in cases)
        blocks.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    out = parser.parse_args().out
    for module in sorted((FOLDER / "families").glob("*.py")):
        entries = importlib.import_module(f"families.{module.stem}").family()
        path = out / f"{module.stem}.json"
        path.write_text(text(entries), encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
