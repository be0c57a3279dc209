"""The inputs on which a file and its model differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_kd.export import compare
from keras_kd.export.verify.verification import Outputs, WorstInput


def worst_inputs(
    expected: Outputs,
    answered: Outputs,
    labels: Mapping[str, np.ndarray],
    inputs: Sequence[Mapping[str, np.ndarray]],
    count: int,
) -> list[WorstInput]:
    """The samples with another top class, then those of the largest error.

    Outputs of several scales are compared by their errors as shares of the model's
    largest answer.

    Args:
        expected: The model's answers by output name.
        answered: The file's.
        labels: Integer labels by output name, where there are any.
        inputs: Batches of inputs by name, in the order of the answers.
        count: Integer. At most so many.

    Returns:
        A list of `WorstInput`, the worst first.
    """
    relative, differing, errors = {}, {}, {}
    for name, array in expected.items():
        errors[name] = _by_sample(np.abs(answered[name].astype("float64") - array))
        relative[name] = errors[name] / max(compare.largest(array), 1e-9)
        differing[name] = np.zeros(len(array), bool)
        if compare.has_classes(array):
            same = compare.same_class(array, answered[name])
            differing[name] = _by_sample(~same) > 0
    names = list(expected)
    error = np.stack([relative[name] for name in names])
    differs = np.stack([differing[name] for name in names])
    # The output to be shown is one that differs, if any does.
    chosen = np.lexsort((-error, ~differs), axis=0)[0]
    order = np.lexsort((-error.max(0), ~differs.any(0)))[:count]
    where = [
        (part, row) for part in inputs for row in range(len(next(iter(part.values()))))
    ]
    found = []
    for index in order.tolist():
        name = names[chosen[index]]
        part, row = where[index]
        found.append(
            WorstInput(
                index=index,
                output=name,
                error=float(errors[name][index]),
                differs=bool(differs[:, index].any()),
                **_classes(expected[name][index], answered[name][index]),
                label=_label(labels.get(name), index),
                inputs={key: array[row] for key, array in part.items()},
            )
        )
    return found


def _by_sample(array: np.ndarray) -> np.ndarray:
    """The largest of each sample."""
    return array.reshape(len(array), -1).max(-1, initial=0)


def _classes(expected: np.ndarray, answered: np.ndarray) -> dict[str, Any]:
    """The top classes, where one sample has one."""
    classes = expected.ndim == 1 and compare.has_classes(expected[None])
    return {
        "model_class": int(expected.argmax()) if classes else None,
        "file_class": int(answered.argmax()) if classes else None,
    }


def _label(labels: np.ndarray | None, index: int) -> int | None:
    one = None if labels is None else labels[index]
    return None if one is None or np.ndim(one) else int(one)
