"""What a model and a file answer to the same data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.export import compare
from keras_kd.export.errors import VerificationError
from keras_kd.export.probe import model_outputs
from keras_kd.export.samples import Batch, batch_length, batches
from keras_kd.export.signature import Signature
from keras_kd.export.verify.verification import Outputs

FAR = 100.0
"""So many times the model's largest answer is no error of conversion."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """All answers of a model and a file.

    Args:
        expected: The model's, by output name.
        answered: The file's.
        labels: What came with the data as `y`, or None.
        varied: Boolean. Whether any input differed from the first.
        inputs: List of batches, if they were to be kept.
    """

    expected: Outputs
    answered: Outputs
    labels: Any
    varied: bool
    inputs: list[Batch]


def collect(
    model: keras.Model,
    signature: Signature,
    runner: Any,
    data: Any,
    *,
    limit: int | None = None,
    batch_size: int = 32,
    keep: int = 0,
) -> Answers:
    """Run both on all data.

    Args:
        model: The `keras.Model`.
        signature: Its `Signature`.
        runner: As `open_runner` gives it.
        data: As `verify` takes it.
        limit: Integer. At most so many samples. Defaults to `None`, all.
        batch_size: Integer. Samples at a time. Defaults to `32`.
        keep: Integer. Inputs of so many samples are kept; −1 is all. Defaults to `0`.

    Returns:
        `Answers`.

    Raises:
        ValueError: If the data has no end and no limit, or no sample.
        VerificationError: If file and model call their outputs differently.
    """
    if limit is None and getattr(data, "cardinality", lambda: 0)() == -1:
        raise ValueError("`data` repeats without end. Pass `limit`.")
    expected: list[Outputs] = []
    answered: list[Outputs] = []
    carried: list[Any] = []
    kept: list[Batch] = []
    first: Batch | None = None
    count, varied = 0, False
    for part, y in _parts(signature, data, limit, batch_size):
        first = first or {name: array[:1] for name, array in part.items()}
        varied |= any((part[name] != first[name]).any() for name in part)
        if keep < 0 or count < keep:
            kept.append(part)
        expected.append(model_outputs(model, signature, part))
        if not answered:
            same_names("outputs", runner.outputs, expected[0])
        answered.append(runner(part))
        if y is not None:
            carried.append(y)
        count += batch_length(part)
    if not count:
        raise ValueError("`data` holds no sample.")
    labels = _joined(carried) if carried else None
    return Answers(_joined(expected), _joined(answered), labels, varied, kept)


def _parts(
    signature: Signature, data: Any, limit: int | None, batch_size: int
) -> Iterator[tuple[Batch, Any]]:
    """Inputs and labels of the data, in batches of the size that is wanted."""
    count = 0
    for whole, y in batches(signature, data):
        room = batch_length(whole)
        if limit is not None:
            room = min(room, limit - count)
        for start in range(0, room, batch_size):
            stop = min(start + batch_size, room)
            part = {name: array[start:stop] for name, array in whole.items()}
            yield part, _rows(y, start, stop if stop < room or limit else None)
        count += room
        if count == limit:
            break


def _rows(labels: Any, start: int, stop: int | None) -> Any:
    """Some of a batch's labels, whatever they are nested in."""
    if labels is None:
        return None
    return keras.tree.map_structure(lambda array: array[start:stop], labels)


def _joined(parts: list[Any]) -> Any:
    """Batches of one structure, end to end."""
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


def same_names(what: str, of_file: Mapping[str, Any], of_model: Any) -> None:
    """Raise if a file and a model call their ends differently."""
    if set(of_file) != set(of_model):
        raise VerificationError(
            f"The file's {what} are {sorted(of_file)}, the model's "
            f"{sorted(of_model)}: this file was not made from this model by "
            "`export_tflite`."
        )


def refuse_nonsense(answers: Answers, steps: Mapping[str, float | None]) -> None:
    """Raise for answers that no working file gives.

    Args:
        answers: As `collect` gives them.
        steps: What one step of a quantized output is worth, by name.

    Raises:
        VerificationError: If the file or the model answers NaN or infinity, or the
            file numbers far from the model's, or the same to whatever it is given.
    """
    bad = compare.non_finite(answers.answered)
    of_model = compare.non_finite(answers.expected)
    if bad:
        raise VerificationError(
            f"Outputs {bad} of the file are NaN or infinite; those of the model are "
            f"{'too' if of_model else 'finite'}."
        )
    if of_model:
        # Integers have no NaN: a file may hide what the model cannot.
        raise VerificationError(
            f"Outputs {of_model} of the model are NaN or infinite, those of the file "
            "are finite: there is nothing to hold the file against."
        )
    for name, array in answers.answered.items():
        expected = answers.expected[name]
        of_file, largest = compare.largest(array), compare.largest(expected)
        if of_file > FAR * max(largest, 1e-3):
            raise VerificationError(
                f"Output {name!r} of the file reaches {of_file:.3g}, that of the "
                f"model {largest:.3g}: the weights in the file are not the model's."
            )
        if not answers.varied or compare.spread(array) > 0:
            continue
        spread = compare.spread(expected)
        # Answers that the model keeps within two steps may round to one.
        if spread == 0 or spread > 2 * (steps[name] or 0.0):
            raise VerificationError(
                f"Output {name!r} of the file is the same for {len(array)} different "
                f"samples; the model's varies by {spread:.3g}. "
                + (
                    "The model itself has collapsed, or its output has saturated."
                    if spread == 0
                    else "The file ignores its input: calibrate with data like that "
                    "of use, or export it as float32 to find the culprit."
                )
            )
