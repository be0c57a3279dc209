"""The signatures of a file, each with the model behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.export.prepare import made_ready
from keras_kd.export.recipes import Recipe
from keras_kd.export.runtime import ONLY
from keras_kd.export.samples import Batch, by_name
from keras_kd.export.schema import MAIN
from keras_kd.export.signature import Signature


@dataclasses.dataclass(frozen=True)
class Part:
    """One signature of a file.

    Args:
        key: String. The signature's key.
        model: The model behind it, as it is converted.
        signature: Its `Signature`.
        trained: Boolean. Whether the ranges of activations are in the model, from
            quantization-aware training.
        samples: List of calibration batches by input name.
    """

    key: str
    model: keras.Model
    signature: Signature
    trained: bool = False
    samples: Sequence[Batch] = ()


def parts_of(
    model: keras.Model, signatures: Any, recipe: Recipe
) -> tuple[list[Part], list[str]]:
    """Models made ready for the converter, and what had to be changed about them.

    Args:
        model: The main model.
        signatures: Dict from a key to a further model, or None.
        recipe: The `Recipe` to export by.

    Returns:
        A pair: a list of `Part`, the main one first; and sentences for the report.

    Raises:
        ValueError: If a model cannot be exported, or some were quantized in training
            and others not.
    """
    parts, notes = [], []
    models = {MAIN if signatures else ONLY: model, **(signatures or {})}
    for key, given in models.items():
        student, signature, trained, remarks = made_ready(given, recipe)
        parts.append(Part(key, student, signature, trained))
        notes += [note for note in remarks if note not in notes]
    if len({part.trained for part in parts}) > 1:
        plain_ones = [part.key for part in parts if not part.trained]
        raise ValueError(
            "`signatures` must all be quantize-aware, or none. Plain are: "
            f"{plain_ones}. Take them from the quantize-aware model: "
            "keras.Model(model.input, model.get_layer(…).output)."
        )
    return parts, notes


def refuse_names(signatures: Any) -> None:
    """Raise for further signatures that cannot be had."""
    for key, model in (signatures or {}).items():
        if not isinstance(key, str) or not key.isidentifier() or key in (MAIN, ONLY):
            raise ValueError(
                "`signatures` must have names of letters, digits and underscores, "
                f"other than {MAIN!r} and {ONLY!r}. Received: {key!r}."
            )
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"`signatures` must hold keras.Model. Received: {key!r} is a "
                f"{type(model).__name__}."
            )


def with_samples(part: Part, samples: Sequence[Batch]) -> Part:
    """The part with the main one's calibration samples, by the names of its inputs.

    Raises:
        ValueError: If it has other inputs.
    """
    own = shared(part, samples)
    if not own:
        raise ValueError(
            f"Signature {part.key!r} has the inputs {part.signature.names}, and is "
            f"calibrated by the model's data, which has {list(samples[0])}. Name its "
            "inputs as the model's, or use recipe='dynamic_int8'."
        )
    return dataclasses.replace(part, samples=own)


def shared(part: Part, batches: Sequence[Batch]) -> list[Batch]:
    """Batches for the main part as this one takes them; none if it has other inputs."""
    names = part.signature.names
    if not all(name in batches[0] for name in names):
        return []
    return [
        by_name(part.signature, {name: batch[name] for name in names})
        for batch in batches
    ]
