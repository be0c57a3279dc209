"""Representative data, as the samples that ranges of activations are read from."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_kd.export.recipes import Recipe
from keras_kd.export.samples import Batch, batch_length, batches
from keras_kd.export.signature import Signature

WISE = 100
"""Sixteen samples cost a network 118 steps of its output, sixty-four 1.5."""

FEWEST = 8
"""Ranges of fewer samples are an accident."""

LIMIT = 512
"""More samples hardly move the ranges."""


def calibration_samples(
    signature: Signature, data: Any, batch_size: int = 1, limit: int = LIMIT
) -> list[Batch]:
    """Collect calibration samples in batches of the file's size.

    Args:
        signature: The `Signature` of the model.
        data: As `keras_kd.export.samples.batches` takes it. Of arrays in memory,
            samples are taken at even distances (they may be sorted by class); of
            a stream, the first.
        batch_size: Integer. Samples per batch. Defaults to `1`.
        limit: Integer. At most so many samples. Defaults to `512`.

    Returns:
        A list of dicts from input name to an array of shape `(batch_size, …)`.

    Raises:
        ValueError: If there are fewer than 8 samples or one batch, or the data does
            not fit the model, or holds NaN or infinity.

    Warns:
        UserWarning: If there are fewer than 100 samples.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    samples = calibration_samples(signature_of(model), np.random.rand(800, 4))
    len(samples), samples[0]["x"].shape  # (512, (1, 4))
    ```
    """
    argument = "representative_data"
    collected: list[Batch] = []
    count = 0
    for batch, _ in batches(signature, data, argument):
        _refuse_non_finite(batch, argument)
        in_memory = batch_length(batch) > limit
        rows = (
            np.linspace(0, batch_length(batch) - 1, limit).round().astype(int)
            if in_memory and not collected
            else np.arange(min(batch_length(batch), limit - count))
        )
        collected.append({name: array[rows] for name, array in batch.items()})
        count += len(rows)
        if count >= limit:
            break
    if count < max(batch_size, FEWEST):
        raise ValueError(
            f"`{argument}` must hold at least {max(batch_size, FEWEST)} samples, "
            f"better {WISE} to {LIMIT}. Received: {count}. Collect more, or use "
            "recipe='dynamic_int8', which needs none. A dataset or iterator that was "
            "read once may be empty: pass a function that makes a new one."
        )
    if count < WISE:
        warnings.warn(
            f"`{argument}` holds {count} sample(s); ranges of activations read off "
            f"fewer than {WISE} are often too narrow. {WISE} to {LIMIT} are wise.",
            UserWarning,
            stacklevel=3,
        )
    return [part for group in _alike(collected) for part in _cut(group, batch_size)]


def _alike(collected: list[Batch]) -> Iterator[Batch]:
    """Neighbours whose sizes agree, joined."""

    def sizes(batch: Batch) -> list[tuple[int, ...]]:
        return [array.shape[1:] for array in batch.values()]

    for _, group in itertools.groupby(collected, sizes):
        batches = list(group)
        yield {
            name: np.concatenate([batch[name] for batch in batches])
            for name in batches[0]
        }


def _cut(batch: Batch, size: int) -> Iterator[Batch]:
    """Whole batches of that size; what is left over is dropped."""
    for start in range(0, batch_length(batch) - size + 1, size):
        yield {name: array[start : start + size] for name, array in batch.items()}


def refuse_no_data(recipe: Recipe, data: Any) -> None:
    """Raise a ValueError where a recipe has nothing to read its ranges off."""
    if data is None:
        raise ValueError(
            f"`representative_data` is needed by recipe {recipe.name!r}: hand in "
            "about 100 inputs as the student will see them, or use "
            "recipe='dynamic_int8', which needs none."
        )


def _refuse_non_finite(batch: Batch, argument: str) -> None:
    for name, array in batch.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"`{argument}` for input {name!r} holds NaN or infinity: the range "
                "read off it would silence the whole file."
            )
