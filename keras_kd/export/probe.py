"""The first run of a file, before it is said to exist."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.export import schema
from keras_kd.export.compare import largest, largest_error, non_finite
from keras_kd.export.errors import ExportError, VerificationError
from keras_kd.export.recipes import Recipe
from keras_kd.export.runtime import Runner, describe
from keras_kd.export.samples import Batch, batch_length, batches
from keras_kd.export.signature import Signature

TOLERANCE = 0.05
"""Share of an output's largest value by which a float file may miss the model."""


def trial_batch(signature: Signature, data: Any, batch_size: int) -> Batch:
    """One batch to try a file on.

    Args:
        signature: The model's `Signature`.
        data: Representative data, of which the first samples are taken; or None.
        batch_size: Integer. The number of samples; made up without data: uniform
            in [0, 1) for floats, zero for integers.

    Returns:
        A dict from input name to an array of shape `(batch_size, …)`.
    """
    if data is not None:
        first = next(batches(signature, data, "representative_data"), None)
        if first is None or not batch_length(first[0]):
            raise ValueError("`representative_data` holds no sample.")
        return {name: array[:batch_size] for name, array in first[0].items()}
    generator = np.random.default_rng(0)
    batch = {}
    for tensor in signature.inputs:
        shape = (batch_size, *(size or 1 for size in tensor.shape[1:]))
        is_float = keras.backend.is_float_dtype(tensor.dtype)
        values = generator.random(shape) if is_float else np.zeros(shape)
        batch[tensor.name] = values.astype(tensor.dtype)
    return batch


def examine(
    model: keras.Model, signature: Signature, path: Path, batch: Batch, recipe: Recipe
) -> dict[str, Any]:
    """Run a file once and compare it with the model.

    Args:
        model: The model that was converted.
        signature: Its `Signature`.
        path: Path of the file.
        batch: Inputs, as `trial_batch` gives them.
        recipe: The `Recipe` of the file.

    Returns:
        The report's `"inputs"`, `"outputs"` and `"probe"`.

    Raises:
        ExportError: If the file needs operators outside the built-ins, does not
            load, lost its names, or answers NaN or infinity.

    Warns:
        UserWarning: If a float file misses the model by more than a twentieth.
    """
    foreign = schema.foreign_operators(schema.load(path))
    if foreign:
        raise ExportError(f"LiteRT has no built-in operator for {foreign}.")
    try:
        runner = Runner(path)
    except VerificationError as error:
        raise ExportError(str(error)) from error
    expected = model_outputs(model, signature, batch)
    if set(runner.inputs) != set(batch) or set(runner.outputs) != set(expected):
        raise ExportError(
            f"The file's names are {list(runner.inputs)} → {list(runner.outputs)}, "
            f"the model's {list(batch)} → {list(expected)}."
        )
    answered = runner(batch)
    bad = non_finite(answered)
    if bad:
        of_model = non_finite(expected)
        raise ExportError(
            f"Outputs {bad} of the file are NaN or infinite on a trial batch; "
            + (
                f"so are {of_model} of the model itself: look at its weights, or "
                "hand in `representative_data`, to be tried on that."
                if of_model
                else "those of the model are finite: the conversion went wrong."
            )
        )
    missed = max(largest_error(expected[name], answered[name]) for name in expected)
    size = max(largest(value) for value in expected.values())
    if recipe.weights != "int8" and missed > TOLERANCE * size:
        warnings.warn(
            f"The {recipe.name} file misses the model by {missed:.3g} on a trial "
            f"batch whose largest output is {size:.3g}. Unless the model draws random "
            "numbers, do not use it before `verify` says why.",
            UserWarning,
            stacklevel=3,
        )
    return {
        "inputs": describe(runner.inputs),
        "outputs": describe(runner.outputs),
        "probe": {"max_error": missed, "largest_output": size},
    }


def model_outputs(
    model: keras.Model, signature: Signature, batch: Batch
) -> dict[str, np.ndarray]:
    """The Keras model's answers by output name, floats in float32."""
    outputs = signature.name_outputs(model(signature.pack(batch), training=False))
    arrays = {}
    for name, value in outputs.items():
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype)):
            value = keras.ops.cast(value, "float32")
        arrays[name] = np.asarray(value)
    return arrays
