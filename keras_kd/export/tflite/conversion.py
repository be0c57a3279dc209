"""From models to the bytes of a file, by a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_kd.export.errors import ExportError
from keras_kd.export.recipes import Recipe
from keras_kd.export.signature import Signature
from keras_kd.export.tflite import converter, foreign
from keras_kd.export.tflite.converter_worker import HALF
from keras_kd.export.tflite.float_softmax import refuse_other_ends, softmax_in_float
from keras_kd.export.tflite.main_first import main_first
from keras_kd.export.tflite.parts import Part
from keras_kd.export.tflite.saturation import saturation
from keras_kd.export.tflite.tracing import refuse_loops, save, trace
from keras_kd.export.tflite.weight_only import quantize_weights

INTEGER_OPERATORS = {
    "int8": "TFLITE_BUILTINS_INT8",
    "int16": "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",
}

NOT_QUANTIZED = re.compile(r"not yet supported for op: '(\w+)'")


def convert(
    parts: Sequence[Part],
    recipe: Recipe,
    io: str,
    batch_size: int | None,
    float_softmax: bool = False,
) -> tuple[bytes, dict[str, Any] | None]:
    """Convert models to one file.

    Args:
        parts: List of `Part`, the main one first.
        recipe: The `Recipe`.
        io: Type of float inputs and outputs.
        batch_size: Integer, or None for any.
        float_softmax: Boolean. Whether a softmax at the end is computed in float32.
            Defaults to `False`.

    Returns:
        A pair: the bytes of the file, and what `saturation` found on the calibration
        samples of the main signature (None without).

    Raises:
        ValueError: If the recipe does not suit the model.
        ExportError: If the converter fails or crashes.
    """
    traced = {p.key: trace(p.model, p.signature, batch_size) for p in parts}
    for part in parts:
        concrete = traced[part.key][0]
        refuse_loops(part.model, concrete, recipe, batch_size)
        _refuse_integers(part.signature, recipe)
        lookups = foreign.lookups(concrete)
        if lookups:
            raise ExportError(foreign.sentence(part.model, concrete, lookups))
    samples = {part.key: list(part.samples) for part in parts if part.samples}
    options = _options(recipe, io, parts[0].trained)
    if float_softmax and recipe.needs_calibration:
        options["output_type"] = "float32"
    found = None
    with converter.job_folder() as folder:
        save(folder, traced)
        try:
            content = converter.convert(folder, list(traced), samples, **options)
        except converter.ConverterCrash as error:
            raise ExportError(f"{error}\n{_way_out(recipe)}") from error
        except ExportError as error:
            concrete = traced[parts[0].key][0]
            raise _explained(error, parts[0], concrete, recipe, batch_size) from error
        half = Path(folder, HALF)
        if half.exists():
            found = saturation(half.read_bytes(), parts[0].key, parts[0].samples)
    if float_softmax and recipe.needs_calibration:
        content = softmax_in_float(content)
    elif float_softmax:
        refuse_other_ends(content)
    if recipe.weight_only:
        content = quantize_weights(content, recipe)
    if len(parts) > 1:
        content = main_first(content, parts[0].key)
    return content, found


def _refuse_integers(signature: Signature, recipe: Recipe) -> None:
    """The converter has no int16 arithmetic behind integer inputs."""
    for tensor in signature.inputs:
        is_float = keras.backend.is_float_dtype(tensor.dtype)
        if recipe.activations == "int16" and not is_float:
            raise ValueError(
                f"recipe={recipe.name!r} cannot be applied: input {tensor.name!r} "
                f"takes {tensor.dtype}, for which the converter finds no range. Use "
                "recipe='dynamic_int8' or 'int8'."
            )


def _options(recipe: Recipe, io: str, trained: bool) -> dict[str, Any]:
    """What a recipe is to the converter."""
    if recipe.weights == "float32" or recipe.weight_only:
        return {}
    if recipe.weights == "float16":
        return {"optimize": True, "types": ["float16"]}
    if not recipe.needs_calibration:
        return {"optimize": True}
    options = {"optimize": True, "input_type": io, "output_type": io}
    # The operators of a model that was trained for it are left to the converter.
    return (
        options
        if trained
        else options | {"operators": [INTEGER_OPERATORS[recipe.activations]]}
    )


def _explained(
    error: ExportError,
    part: Part,
    concrete: Any,
    recipe: Recipe,
    batch_size: int | None,
) -> ExportError:
    """What the converter said, in the words of the model's author."""
    operators = foreign.in_message(str(error))
    if operators:
        hint = " With batch_size=1 it may convert." if batch_size is None else ""
        return ExportError(foreign.sentence(part.model, concrete, operators) + hint)
    missing = sorted(set(NOT_QUANTIZED.findall(str(error))))
    if missing:
        return ExportError(
            f"recipe={recipe.name!r} cannot be applied: LiteRT has no "
            f"{recipe.activations} arithmetic for {', '.join(missing)}. Use "
            "recipe='dynamic_int8' or 'float16'."
        )
    return error


def _way_out(recipe: Recipe) -> str:
    if recipe.weights == "float32":
        return "Leave out layers from the end until it converts, to find the culprit."
    other = "dynamic_int8" if recipe.needs_calibration else "float32"
    return f"Nothing was written. recipe={other!r} may convert."
