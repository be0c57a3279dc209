"""The first run of a file, before it is said to exist."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.export import schema
from keras_kd.export.compare import largest, largest_error, non_finite
from keras_kd.export.errors import ExportError, VerificationError
from keras_kd.export.recipes import Recipe
from keras_kd.export.runtime import FileRunner, Runner, describe
from keras_kd.export.samples import Batch, batch_length, batches
from keras_kd.export.signature import InputTensor, Signature

TOLERANCE = {"float32": 0.05, "float16": 0.05, "int8": 0.5, "int4": 1.0}
"""Share of the largest output by which a file with such weights may miss the model."""

SIZES = (16, 24, 32, 64, 96, 128, 192, 224, 256, 320)
"""Of a side or length that a model leaves open: those that it is tried on."""


def trial_batches(
    model: keras.Model, signature: Signature, data: Any, batch_size: int
) -> list[Batch]:
    """What to try a file on: one batch, or of open sizes two different ones.

    Args:
        model: The model that is converted.
        signature: Its `Signature`.
        data: Representative data for the first batch, or None.
        batch_size: Integer. The number of samples.

    Returns:
        A list of dicts from input name to an array of shape `(batch_size, …)`.

    Raises:
        ValueError: If the model runs on no size that was tried.
    """
    open_ = [t.name for t in signature.inputs if None in t.shape[1:]]
    if not open_:
        return [trial_batch(signature, data, batch_size)]
    found = [] if data is None else [trial_batch(signature, data, batch_size)]
    given = dict(found[0]) if found else None
    for size in SIZES:
        batch = (
            trial_batch(signature, None, batch_size, size)
            if given is None
            else {t.name: _repeated(t, given[t.name], size) for t in signature.inputs}
        )
        if given and any(batch[name].shape == given[name].shape for name in open_):
            continue
        with contextlib.suppress(Exception):  # sizes that do not suit the model
            model_outputs(model, signature, batch)
            found.append(batch)
        if len(found) == 2:
            break
    if not found:
        sizes = {tensor.name: tensor.shape[1:] for tensor in signature.inputs}
        raise ValueError(
            f"The model's inputs leave sizes open, {sizes}, and of {SIZES} none suits "
            "it. Hand in `representative_data` to try the file on, or fix the sizes: "
            "x = keras.Input(<the sizes>); model = keras.Model(x, model(x))."
        )
    return found


def _repeated(tensor: InputTensor, array: np.ndarray, size: int) -> np.ndarray:
    """The data again and again along the axes whose sizes are open."""
    for axis, known in enumerate(tensor.shape):
        if axis and known is None:
            array = np.take(array, np.arange(size) % array.shape[axis], axis)
    return array


def trial_batch(
    signature: Signature, data: Any, batch_size: int, size: int = 1
) -> Batch:
    """One batch to try a file on.

    Args:
        signature: The model's `Signature`.
        data: Representative data, of which the first samples are taken; or None.
        batch_size: Integer. The number of samples; made up without data: uniform
            in [0, 1) for floats, ones for integers (zero is often a padding that
            masks all).
        size: Integer. What stands for sizes that the model leaves open. Defaults
            to `1`.

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
        shape = (batch_size, *(known or size for known in tensor.shape[1:]))
        is_float = keras.backend.is_float_dtype(tensor.dtype)
        values = generator.random(shape) if is_float else np.ones(shape)
        batch[tensor.name] = values.astype(tensor.dtype)
    return batch


def examine(
    model: keras.Model,
    signature: Signature,
    path: Path,
    trials: Sequence[Batch],
    recipe: Recipe,
    key: str | None = None,
) -> dict[str, Any]:
    """Run a file on a batch or two and compare it with the model.

    Args:
        model: The model that was converted.
        signature: Its `Signature`.
        path: Path of the file.
        trials: Inputs, as `trial_batches` gives them.
        recipe: The `Recipe` of the file.
        key: String. Key of the signature to run. Defaults to the only one.

    Returns:
        The report's `"inputs"`, `"outputs"` and `"probe"`.

    Raises:
        ExportError: If the file needs operators outside the built-ins, does not
            load or run, lost its names, or answers NaN or infinity.

    Warns:
        UserWarning: If the file misses the model by more than rounding does.
    """
    foreign = schema.foreign_operators(schema.load(path))
    if foreign:
        raise ExportError(f"LiteRT has no built-in operator for {foreign}.")
    try:
        runner = Runner(path, signature=key)
    except VerificationError as error:
        raise ExportError(str(error)) from error
    missed = size = 0.0
    for batch in trials:
        expected = model_outputs(model, signature, batch)
        answered = _answers(runner, batch, expected, recipe)
        missed = max(
            missed, *(largest_error(expected[x], answered[x]) for x in expected)
        )
        size = max(size, *(largest(value) for value in expected.values()))
    warn_of_a_miss(recipe, missed, size, TOLERANCE[recipe.weights] * size)
    return findings(runner, missed, size)


def warn_of_a_miss(recipe: Recipe, missed: float, size: float, most: float) -> None:
    """Warn if a file misses its model by more than `most` on the trial batches."""
    if missed > most:
        warnings.warn(
            f"The {recipe.name} file misses the model by {missed:.3g} on a trial "
            f"batch whose largest output is {size:.3g}. Unless the model draws random "
            "numbers, do not use it before `verify` says why.",
            UserWarning,
            stacklevel=4,
        )


def findings(runner: FileRunner, missed: float, size: float) -> dict[str, Any]:
    """What a report says of a file's ends and its first run."""
    return {
        "inputs": describe(runner.inputs),
        "outputs": describe(runner.outputs),
        "probe": {"max_error": missed, "largest_output": size},
    }


def refuse_names(runner: FileRunner, batch: Batch, expected: Batch) -> None:
    """Raise an ExportError if the file's ends are not called as the model's."""
    if set(runner.inputs) != set(batch) or set(runner.outputs) != set(expected):
        raise ExportError(
            f"The file's names are {list(runner.inputs)} → {list(runner.outputs)}, "
            f"the model's {list(batch)} → {list(expected)}."
        )


def _answers(
    runner: Runner, batch: Batch, expected: dict[str, np.ndarray], recipe: Recipe
) -> dict[str, np.ndarray]:
    """The file's outputs, or the sentence that says why they are none."""
    refuse_names(runner, batch, expected)
    try:
        answered = runner(batch)
    except VerificationError as error:
        other = "dynamic_int8" if recipe.needs_calibration else "float32"
        raise ExportError(
            f"{error} Use recipe={other!r}, or fix the sizes of the inputs."
        ) from error
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
    return answered


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
