"""Write a student as every recipe has it, and print what each costs.

python export/all_recipes.py student.keras out/ --data x.npz
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_kd  # noqa: F401  (registers the classes a student may hold)
from keras_kd import export

LABELS = "y"
COLUMNS = "{:<16} {:>10} {:>10} {:>10} {:>9} {:>9} {:>10}"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("student", help="a .keras file")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument(
        "--data",
        required=True,
        help="an .npz file: one array per input, and class labels as 'y' if known; "
        "it calibrates int8 files and compares every file with the student",
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        default=list(export.RECIPES),
        help="names or .json files (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--overwrite", action="store_true")
    return parser.parse_args(argv)


def read(path: str) -> tuple[Any, Any]:
    """Inputs, as an array or a dict by name, and labels or None."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    labels = arrays.pop(LABELS, None)
    return (next(iter(arrays.values())) if len(arrays) == 1 else arrays), labels


def main(argv: Sequence[str] | None = None) -> int:
    """Export, verify and benchmark; the number of recipes that failed."""
    options = arguments(argv)
    student = keras.saving.load_model(options.student, compile=False)
    x, labels = read(options.data)
    stem, failed = Path(options.student).stem, 0
    print(
        COLUMNS.format(
            "recipe", "bytes", "gzip", "max error", "agree", "accuracy", "ms"
        )
    )
    for recipe in options.recipes:
        name = Path(recipe).stem
        try:
            result = export.export_tflite(
                student,
                options.folder / f"{stem}_{name}.tflite",
                recipe,
                x,
                overwrite=options.overwrite,
            )
            found = export.verify(student, result, x, labels=labels)
            cost = export.benchmark(
                result, threads=(options.threads,), runs=options.runs
            )
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            failed += 1
            print(f"{name:<16} {error}")
            continue
        for kind, fields in (
            ("verification", found.to_dict()),
            ("benchmark", cost.to_dict()),
        ):
            text = json.dumps(fields, indent=2) + "\n"
            result.path.with_name(f"{result.path.stem}.{kind}.json").write_text(text)
        print(
            COLUMNS.format(
                name,
                cost.bytes,
                cost.gzip_bytes,
                f"{found.max_error:.2g}",
                share(found.agreement),
                share(found.accuracy),
                f"{cost.latency_ms[options.threads]['p50']:.3g}",
            )
        )
    return failed


def share(value: float | None) -> str:
    """A fraction as the table shows it."""
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    raise SystemExit(main())
