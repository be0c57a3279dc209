"""`export_onnx`: convert, quantize, describe, run once, and only then write."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.export.calibration import calibration_samples, refuse_no_data
from keras_kd.export.metadata import Metadata
from keras_kd.export.metadata.props import to_props
from keras_kd.export.onnx import graph
from keras_kd.export.onnx.convert import check, convert, freeze
from keras_kd.export.onnx.optional import optional
from keras_kd.export.onnx.probe import examine
from keras_kd.export.onnx.quantize import (
    quantize_dynamic,
    quantize_static,
    without_shapes,
)
from keras_kd.export.onnx.trained import with_integer_kernels
from keras_kd.export.prepare import loops_of, made_ready
from keras_kd.export.probe import trial_batches
from keras_kd.export.recipes import RECIPES, Recipe, RecipeLike, get_recipe
from keras_kd.export.report import (
    ExportResult,
    as_json,
    island_notes,
    library_versions,
)
from keras_kd.export.samples import Batch, batch_length
from keras_kd.files import written_together
from keras_kd.validation import destination, one_of, positive_int

LIBRARIES = ("onnx", "onnxruntime", "tf2onnx")

ONNX_RECIPES = ("float32", "dynamic_int8", "int8")
"""The built-in recipes that onnxruntime's quantizers can follow."""

OPSETS = range(13, 19)
"""From the first with scales per channel to the last that tf2onnx writes."""


def export_onnx(
    model: keras.Model,
    path: str | os.PathLike[str],
    recipe: RecipeLike = "float32",
    representative_data: Any = None,
    *,
    batch_size: int | None = None,
    opset: int = 18,
    metadata: Metadata | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a student to an .onnx file that is known to run.

    Inputs and outputs have the names of the .tflite file's. The file is checked by
    ONNX's own checker, run once in onnxruntime and compared with the model before
    it appears at `path`; beside it lie `<name>.onnx.recipe.json` and
    `<name>.onnx.report.json`.

    Args:
        model: A built `keras.Model`. One that `quantize_aware` made is exported to
            `"int8"` with the ranges it was trained with.
        path: Path that ends in `.onnx`. Its folder is made.
        recipe: `"float32"`; `"dynamic_int8"`, int8 weights of dense layers and
            embeddings; or `"int8"`, int8 arithmetic between QuantizeLinear and
            DequantizeLinear, weights per channel. Defaults to `"float32"`.
        representative_data: As `export_tflite` takes it. `"int8"` needs it, unless
            the model is quantization-aware. Defaults to `None`.
        batch_size: Integer, or None for a file that takes any: the dimension is
            then called `batch`. Defaults to `None`.
        opset: Integer from 13 to 18. The version of ONNX's operators. Defaults to
            `18`.
        metadata: A `Metadata`, written into the file's properties. Defaults to
            `None`.
        overwrite: Boolean. Whether a file at `path` may be replaced. Defaults to
            `False`.

    Returns:
        An `ExportResult` with `path`, `recipe` and `report`.

    Raises:
        ImportError: If the `onnx` extra is not installed.
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If an argument is wrong, or the model cannot be exported so.
        FileExistsError: If there is a file and `overwrite` is False.
        ExportError: If the conversion fails, or the file it made does not run.

    Warns:
        UserWarning: If a float32 file misses the model by more than rounding.

    Example:

    ```python
    x = keras.Input((8, 8, 1), name="image")
    y = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="gelu")(x))
    student = keras.Model(x, keras.layers.Dense(3, name="logits")(y))
    result = export_onnx(student, "student.onnx")
    result.report["probe"]["max_error"], result.report["operators"]
    ```
    """
    chosen = _offered(recipe)
    if batch_size is not None:
        batch_size = positive_int("batch_size", batch_size)
    one_of("opset", opset, OPSETS)
    if metadata is not None and not isinstance(metadata, Metadata):
        raise TypeError(
            f"`metadata` must be a Metadata. Received: {type(metadata).__name__}."
        )
    target = destination("path", path, ".onnx", overwrite=overwrite)
    student, signature, trained, notes = made_ready(model, chosen)
    samples: list[Batch] = []
    if chosen.needs_calibration and not trained:
        refuse_no_data(chosen, representative_data)
        samples = calibration_samples(signature, representative_data, batch_size or 1)
    # Two samples show that a dynamic batch is one.
    trials = trial_batches(student, signature, representative_data, batch_size or 2)
    frozen = freeze(student, signature, batch_size)
    proto = convert(frozen, signature, batch_size, opset)
    if chosen.needs_calibration:
        _refuse_loops(student, proto, chosen)
    if trained:
        proto = with_integer_kernels(proto)
        notes.append("Ranges of activations are those that the model learned.")
    elif samples:
        proto = quantize_static(proto, samples)
    elif chosen.weights == "int8":
        proto = quantize_dynamic(proto)
    proto = without_shapes(proto)
    check(proto)
    proto.graph.name = model.name
    if metadata is not None:
        sizes = graph.output_sizes(proto)
        proto.doc_string = metadata.description or metadata.name
        optional("onnx").helper.set_model_props(
            proto, to_props(metadata, sizes, chosen.name)
        )
    content = proto.SerializeToString()
    report = _describe(proto, content, chosen, samples, notes)
    with written_together() as write:
        temporary = write(target, content)
        report |= examine(student, signature, temporary, trials, chosen)
        for kind, fields in (("recipe", chosen.to_dict()), ("report", report)):
            # A .tflite file of the same stem keeps its own.
            write(target.with_name(f"{target.name}.{kind}.json"), as_json(fields))
    return ExportResult(target, chosen, report)


def _offered(recipe: RecipeLike) -> Recipe:
    """The recipe, if an ONNX file can follow it; its inputs and outputs are floats."""
    chosen = None if recipe == "auto" else get_recipe(recipe)
    built_in = [RECIPES[name] for name in ONNX_RECIPES]
    kinds = [(known.weights, known.activations, False) for known in built_in]
    kind = chosen and (chosen.weights, chosen.activations, chosen.weight_only)
    if chosen is None or kind not in kinds:
        raise ValueError(
            f"`recipe` of an ONNX file must be one of {list(ONNX_RECIPES)}, or compute "
            f"as one of them. Received: {getattr(recipe, 'name', recipe)!r}."
        )
    return dataclasses.replace(chosen, io=("float32",))


def _refuse_loops(model: keras.Model, proto: Any, recipe: Recipe) -> None:
    """onnxruntime ends the process on some loops with int8 tensors around them."""
    if not any(graph.bodies_of(proto.graph)):
        return
    layers = loops_of(model)
    raise ValueError(
        f"recipe={recipe.name!r} cannot be applied: "
        f"{f'layers {layers} run' if layers else 'the model runs'} as a loop, around "
        "which onnxruntime's integer files are not safe. Use recipe='dynamic_int8', "
        "or build recurrent layers with unroll=True."
    )


def _describe(
    proto: Any,
    content: bytes,
    recipe: Recipe,
    samples: Sequence[Batch],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The report's fields that can be read off the graph."""
    islands = graph.float_islands(proto) if recipe.needs_calibration else None
    dtypes = graph.tensor_dtypes(proto)
    notes = list(notes)
    notes += island_notes(islands)
    if recipe.weights == "int8" and "INT8" not in dtypes:
        notes.append("No weight became int8: the model has no layer that could.")
    return {
        "recipe": recipe.name,
        "format": "onnx",
        "opset": int(proto.opset_import[0].version),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "operators": graph.operators(proto),
        "tensor_dtypes": dtypes,
        "float_islands": islands,
        "calibration_samples": sum(batch_length(batch) for batch in samples),
        "libraries": library_versions()
        | {name: optional(name).__version__ for name in LIBRARIES},
        "notes": notes,
    }
