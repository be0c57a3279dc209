"""The commands: each reads files, calls the API and prints what came back."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_kd import export, methods
from keras_kd.cli.taps import list_taps
from keras_kd.datasets import Dataset, hide_labels, load_dataset
from keras_kd.export.page import read_report, write_report
from keras_kd.export.page.files import as_data
from keras_kd.export.recipes import Recipe, get_recipe
from keras_kd.probabilities import ends_in_probabilities
from keras_kd.teachers import FrozenTeacher
from keras_kd.types import OUTPUT
from keras_kd.validation import destination
from keras_kd.workflow import distill_to_folder
from keras_kd.workflow.folder import summary, table

Arguments = argparse.Namespace


def distill(arguments: Arguments, typed: str) -> int:
    """`keras-kd distill`."""
    verbose = 0 if arguments.quiet else 1
    teacher, student = load_model(arguments.teacher), load_model(arguments.student)
    data = load_data(arguments, student)
    if arguments.labelled is not None:
        data = hide_labels(data, arguments.labelled, arguments.seed)
    terms = methods.hinton(arguments.temperature, arguments.weight)
    if arguments.hint:
        terms += methods.fitnets(dict(arguments.hint), arguments.hint_weight)
    report = distill_to_folder(
        as_frozen(teacher, student),
        student,
        data,
        arguments.out,
        epochs=arguments.epochs,
        terms=terms,
        hard_loss_weight=arguments.hard_loss_weight,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        baseline=not arguments.no_baseline,
        recipes=arguments.recipes,
        overwrite=arguments.overwrite,
        setting={"temperature": arguments.temperature},
        command=typed,
        verbose=verbose,
    )
    if verbose:
        print(f"\n{summary(report)}\n\n{Path(arguments.out) / 'report.html'}")
    failed = report.get("failed", {})
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {len(arguments.recipes)} files could not be made. "
            + " ".join(f"{recipe}: {why}" for recipe, why in failed.items())
        )
    return 0


def export_files(arguments: Arguments, typed: str) -> int:
    """`keras-kd export`."""
    recipes = [get_recipe(name) for name in arguments.recipe or ["float32"]]
    targets = export_targets(arguments, recipes)
    wanting = [r.name for r in recipes if r.needs_calibration and not arguments.data]
    if wanting:
        raise ValueError(f"--data is needed to calibrate recipe {wanting[0]!r}.")
    if arguments.io and not any(arguments.io in recipe.io for recipe in recipes):
        recipes[0].choose_io(arguments.io)
    model = load_model(arguments.model)
    data = load_data(arguments, model) if arguments.data else None
    rows, notes = [], []
    for recipe, target in zip(recipes, targets, strict=True):
        result = export.export_tflite(
            model,
            target,
            recipe,
            None if data is None else data.x_train,
            io=arguments.io if arguments.io in recipe.io else None,
            batch_size=arguments.batch_size,
            overwrite=arguments.overwrite,
        )
        row = [str(target), f"{result.report['bytes']:,}"]
        if data is not None:
            checked = export.verify(model, result, (data.x_test, data.y_test))
            row += [_percent(checked.accuracy), _percent(checked.agreement)]
            row += [f"{checked.max_error:.3g}"]
        rows.append(row)
        notes += [f"{target.name}: {note}" for note in result.report["notes"]]
    titles = ["file", "bytes", "accuracy", "agreement", "largest error"]
    print(table(titles[: len(rows[0])], rows))
    print(*notes, sep="\n", end="\n" if notes else "")
    return 0


def verify(arguments: Arguments, typed: str) -> int:
    """`keras-kd verify`."""
    model = load_model(arguments.model)
    data = load_data(arguments, model)
    report = export.verify(model, arguments.file, (data.x_test, data.y_test))
    if arguments.json:
        return _print_json(report.to_dict())
    rows = [
        ("test images", f"{report.samples:,}"),
        ("accuracy of the file", _percent(report.accuracy)),
        ("accuracy of the model", _percent(report.model_accuracy)),
        ("agreement", _percent(report.agreement)),
        ("largest error", f"{report.max_error:.3g}"),
        ("mean error", f"{report.mean_error:.3g}"),
        ("tensors", _counts(report.tensor_dtypes)),
        ("operators", _counts(report.operators)),
    ]
    _print_pairs(rows)
    return 0


def benchmark(arguments: Arguments, typed: str) -> int:
    """`keras-kd benchmark`."""
    report = export.benchmark(arguments.file, threads=arguments.threads)
    if arguments.json:
        return _print_json(report.to_dict())
    _print_pairs(
        [
            ("bytes", f"{report.bytes:,}"),
            ("bytes, compressed", f"{report.gzip_bytes:,}"),
            ("parameters", f"{report.parameters:,}"),
            ("multiply-accumulates", f"{report.macs:,}"),
            ("arena, estimated bytes", f"{report.arena_bytes:,}"),
        ]
    )
    keys = ("p50", "p90", "p99", "mean")
    rows = [
        (str(threads), *(f"{row[key]:.3g}" for key in keys))
        for threads, row in report.latency_ms.items()
    ]
    print("\n" + table(("threads", *(f"{key} ms" for key in keys)), rows))
    return 0


def report(arguments: Arguments, typed: str) -> int:
    """`keras-kd report`."""
    write_report(read_report(arguments.folder), arguments.folder)
    print(Path(arguments.folder) / "report.html")
    return 0


def taps(arguments: Arguments, typed: str) -> int:
    """`keras-kd taps`."""
    rows = [(t.path, t.layer, t.shape) for t in list_taps(load_model(arguments.model))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for path, layer, shape in rows:
        print(f"{path:{widths[0]}}  {layer:{widths[1]}}  {shape}")
    return 0


COMMANDS: dict[str, Callable[[Arguments, str], int]] = {
    "distill": distill,
    "export": export_files,
    "verify": verify,
    "benchmark": benchmark,
    "report": report,
    "taps": taps,
}


def load_model(path: str) -> keras.Model:
    """The model in a `.keras` file; code in it is refused, not run."""
    if not path.endswith(".keras"):
        raise ValueError(f"Expected a .keras file. Received: {path!r}.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{path!r} must hold a keras.Model. Received: {type(model).__name__}."
        )
    return model


def load_data(arguments: Arguments, model: keras.Model) -> Dataset:
    """`--data` at `--image-size`, or at the size of the model's input."""
    size = arguments.image_size or input_size(model)
    seed = getattr(arguments, "seed", 0)
    return load_dataset(arguments.data, image_size=size, seed=seed)


def input_size(model: keras.Model) -> tuple[int, int] | None:
    """`(height, width)` of the one image that a model takes, where it says."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:3]:
        return None
    return shape[1], shape[2]


def as_frozen(teacher: keras.Model, student: keras.Model) -> FrozenTeacher:
    """The teacher at its own resolution, and as logits if it ends in a softmax."""
    size = input_size(teacher)
    return FrozenTeacher(
        teacher,
        size=None if size == input_size(student) else size,
        from_probabilities=ends_in_probabilities(teacher, OUTPUT),
    )


def export_targets(arguments: Arguments, recipes: Sequence[Recipe]) -> list[Path]:
    """A path for each recipe, none of which is in the way."""
    out = Path(arguments.out)
    if out.suffix == ".tflite":
        if len(recipes) > 1:
            raise ValueError(
                "--out must be a folder for several recipes. "
                f"Received: {arguments.out!r}."
            )
        targets = [out]
    else:
        stem = Path(arguments.model).stem
        targets = [out / f"{stem}_{recipe.name}.tflite" for recipe in recipes]
    if len(set(targets)) < len(targets):
        raise ValueError("--recipe was given twice with the same name.")
    overwrite = arguments.overwrite
    return [destination("--out", t, ".tflite", overwrite=overwrite) for t in targets]


def _print_json(fields: dict[str, Any]) -> int:
    print(json.dumps(as_data(fields), indent=2, allow_nan=False))
    return 0


def _print_pairs(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _counts(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.items())
