"""The first run of an .onnx file, before it is said to exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_kd.export.compare import largest, largest_error, non_finite
from keras_kd.export.errors import ExportError, VerificationError
from keras_kd.export.onnx.runtime import OnnxRunner
from keras_kd.export.prepare import layers_of
from keras_kd.export.probe import (
    findings,
    model_outputs,
    refuse_names,
    warn_of_a_miss,
)
from keras_kd.export.recipes import Recipe
from keras_kd.export.samples import Batch
from keras_kd.export.signature import Signature

TOLERANCE = {"float32": 1e-5, "int8": 0.5}
"""Share of an output's largest value by which a file may miss the model, by the type
of its weights; three times as much with GroupNormalization, which sums in another
order."""

SMALL = 0.1
"""Outputs below this are judged as if they reached it: float32 has its own noise."""


def examine(
    model: keras.Model,
    signature: Signature,
    path: Path,
    trials: Sequence[Batch],
    recipe: Recipe,
) -> dict[str, Any]:
    """Run a file in onnxruntime on a batch or two and compare it with the model.

    Args:
        model: The model that was converted.
        signature: Its `Signature`.
        path: Path of the file.
        trials: Inputs, as `keras_kd.export.probe.trial_batches` gives them.
        recipe: The `Recipe` of the file.

    Returns:
        The report's `"inputs"`, `"outputs"` and `"probe"`.

    Raises:
        ExportError: If the file does not load or run, has other names or shapes
            than the model, or answers NaN or infinity.

    Warns:
        UserWarning: If the file misses the model by more than rounding does.
    """
    missed = size = 0.0
    try:
        runner = OnnxRunner(path)
        for batch in trials:
            expected = model_outputs(model, signature, batch)
            refuse_names(runner, batch, expected)
            answered = runner(batch)
            _same_kind(expected, answered)
            errors = (
                largest_error(expected[name], answered[name]) for name in expected
            )
            missed = max(missed, *errors)
            size = max(size, *(largest(value) for value in expected.values()))
    except VerificationError as error:
        raise ExportError(str(error)) from error
    grouped = any(
        isinstance(layer, keras.layers.GroupNormalization) for layer in layers_of(model)
    )
    tolerance = TOLERANCE[recipe.weights] * (3 if grouped else 1)
    warn_of_a_miss(recipe, missed, size, tolerance * max(size, SMALL))
    return findings(runner, missed, size)


def _same_kind(expected: Batch, answered: Batch) -> None:
    """Refuse answers of another shape, and those that are no numbers."""
    for name, value in expected.items():
        if value.shape != answered[name].shape:
            raise ExportError(
                f"Output {name!r} of the file has shape {answered[name].shape}, that "
                f"of the model {value.shape}."
            )
    bad = non_finite(answered)
    if bad:
        raise ExportError(
            f"Outputs {bad} of the file are NaN or infinite on a trial batch; those of "
            f"the model are {'too' if non_finite(expected) else 'finite'}."
        )
