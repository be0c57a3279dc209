"""`keras-kd export`: files by recipe, each compared with the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd import export
from keras_kd.cli import text
from keras_kd.cli.inputs import Samples, load_samples
from keras_kd.export.metadata import Metadata
from keras_kd.export.onnx import export_onnx
from keras_kd.export.recipes import Recipe, get_recipe
from keras_kd.export.tflite.export import AUTO
from keras_kd.validation import destination
from keras_kd.workflow.folder import table
from keras_kd.workflow.inputs import load_model

NOT_FOR_ONNX = ("io", "float_softmax")


def export_files(arguments: argparse.Namespace, typed: str) -> int:
    """Returns 0; what goes wrong is raised."""
    is_onnx = arguments.onnx or arguments.out.endswith(".onnx")
    asked = arguments.recipe or ["float32" if is_onnx else AUTO]
    recipes = [AUTO if name == AUTO else get_recipe(name) for name in asked]
    _refuse(arguments, recipes, is_onnx)
    targets = export_targets(arguments, recipes, ".onnx" if is_onnx else ".tflite")
    card = _card(arguments)
    model = load_model(arguments.model)
    data = load_samples(arguments, model) if arguments.data else None
    if arguments.rgb:
        model = export.from_rgb(model)
        data = None if data is None else _in_colour(data)
    rows, notes = [], []
    for recipe, target in zip(recipes, targets, strict=True):
        calibration = None if data is None else data.calibration
        options = _options(arguments, recipe, is_onnx) | card
        write = export_onnx if is_onnx else export.export_tflite
        result = write(model, target, recipe, calibration, **options)
        row = [str(target), result.recipe.name, f"{result.report['bytes']:,}"]
        if data is not None:
            given = data.x if data.y is None else (data.x, data.y)
            checked = export.verify(model, result, given)
            row += [text.percent(checked.accuracy), text.percent(checked.agreement)]
            row += [text.decibels(checked.snr_db), f"{checked.max_error:.3g}"]
        rows.append(row)
        notes += [f"{target.name}: {note}" for note in result.report["notes"]]
    titles = ("file", "recipe", "bytes", "accuracy", "agreement", "signal to noise")
    print(table((*titles, "largest error")[: len(rows[0])], rows))
    print(*notes, sep="\n", end="\n" if notes else "")
    return 0


def export_targets(
    arguments: argparse.Namespace, recipes: Sequence[Recipe | str], suffix: str
) -> list[Path]:
    """A path for each recipe, none of which is in the way."""
    out = Path(arguments.out)
    if out.suffix in (".tflite", ".onnx"):
        if len(recipes) > 1:
            raise ValueError(
                "--out must be a folder for several recipes. "
                f"Received: {arguments.out!r}."
            )
        if out.suffix != suffix:
            raise ValueError(
                f"--onnx writes .onnx files. Received: --out {arguments.out!r}."
            )
        targets = [out]
    else:
        stem = Path(arguments.model).stem
        targets = [out / f"{stem}_{_name(recipe)}{suffix}" for recipe in recipes]
    if len(set(targets)) < len(targets):
        raise ValueError("--recipe was given twice with the same name.")
    overwrite = arguments.overwrite
    return [destination("--out", t, suffix, overwrite=overwrite) for t in targets]


def _refuse(
    arguments: argparse.Namespace, recipes: Sequence[Recipe | str], is_onnx: bool
) -> None:
    """What cannot be had is said before anything is loaded."""
    if is_onnx:
        for name in NOT_FOR_ONNX:
            if getattr(arguments, name):
                raise ValueError(f"--{name.replace('_', '-')} is for .tflite files.")
        if AUTO in recipes:
            raise ValueError("--recipe auto is for .tflite files.")
    known = [recipe for recipe in recipes if isinstance(recipe, Recipe)]
    io = arguments.io
    if io and known == list(recipes) and not any(io in r.io for r in known):
        known[0].choose_io(io)


def _options(
    arguments: argparse.Namespace, recipe: Recipe | str, is_onnx: bool
) -> dict[str, Any]:
    """The arguments of the exporter that were typed."""
    options: dict[str, Any] = {"overwrite": arguments.overwrite}
    if "batch_size" in arguments:
        options["batch_size"] = arguments.batch_size
    if not is_onnx:
        if arguments.float_softmax:
            options["float_softmax"] = True
        if isinstance(recipe, str) or arguments.io in recipe.io:
            options["io"] = arguments.io
    return options


def _card(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is to be written into the file about it, if anything is."""
    fields = {
        key: getattr(arguments, key)
        for key in ("author", "license", "mean", "std")
        if getattr(arguments, key) is not None
    }
    if arguments.label_file:
        lines = Path(arguments.label_file).read_text(encoding="utf-8").splitlines()
        fields["labels"] = [line.strip() for line in lines if line.strip()]
    if not fields and not arguments.name:
        return {}
    name = arguments.name or Path(arguments.model).stem
    return {"metadata": Metadata(name, **fields)}


def _in_colour(data: Samples) -> Samples:
    """Grey images with three equal channels."""

    def coloured(x: Any) -> Any:
        return keras.tree.map_structure(_coloured, x)

    return Samples(
        data.name,
        coloured(data.calibration),
        coloured(data.x),
        data.y,
        data.class_names,
    )


def _coloured(array: np.ndarray) -> np.ndarray:
    grey = array.ndim == 4 and array.shape[-1] == 1
    return np.repeat(array, 3, -1) if grey else array


def _name(recipe: Recipe | str) -> str:
    return recipe if isinstance(recipe, str) else recipe.name
