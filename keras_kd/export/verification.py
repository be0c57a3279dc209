"""What a verification found, as data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Outputs: TypeAlias = dict[str, np.ndarray]
"""Arrays of shape `(samples, …)` by output name."""


@dataclasses.dataclass(frozen=True)
class OutputReport:
    """One output of the file beside the model's.

    Args:
        max_error: Float. Largest absolute difference, in real numbers.
        mean_error: Float. Mean absolute difference.
        step: Float. What one step of a quantized output is worth; None for a float
            output.
        agreement: Float. Share of answers with the same top class; None where the
            last axis is no classes (a single unit, or integers).
        accuracy: Float. The file's share of right answers; None without labels.
        model_accuracy: Float. The model's.
    """

    max_error: float
    mean_error: float
    step: float | None
    agreement: float | None
    accuracy: float | None
    model_accuracy: float | None


@dataclasses.dataclass(frozen=True)
class VerificationReport:
    """What `verify` found.

    With several outputs, `max_error` is the largest, `mean_error` the mean over
    outputs, and `agreement` and the accuracies the lowest of those that exist.

    Args:
        artifact: Path of the file.
        samples: Integer. The number of samples compared.
        max_error: Float. Largest absolute difference from the model.
        mean_error: Float. Mean absolute difference from the model.
        agreement: Float or None. Share of answers with the model's top class.
        accuracy: Float or None. The file's accuracy on the labels.
        model_accuracy: Float or None. The model's accuracy on the labels.
        outputs: Dict from output name to its `OutputReport`.
        tensor_dtypes: Dict from type to the number of tensors.
        operators: Dict from operator to how often it occurs.
        foreign_operators: List. Operators outside the built-ins; empty, since
            `verify` raises on any.
        predictions: The file's answers in real numbers, shape `(samples, …)`; a
            dict by name where there are several outputs. Not in `to_dict()`.
        disagreements: Integer array. The samples whose top class differs in any
            output.
    """

    artifact: Path
    samples: int
    max_error: float
    mean_error: float
    agreement: float | None
    accuracy: float | None
    model_accuracy: float | None
    outputs: dict[str, OutputReport]
    tensor_dtypes: dict[str, int]
    operators: dict[str, int]
    foreign_operators: list[str]
    predictions: np.ndarray | Outputs = dataclasses.field(repr=False, compare=False)
    disagreements: np.ndarray = dataclasses.field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it, without the predictions."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["predictions"]
        return fields | {
            "artifact": str(self.artifact),
            "outputs": {n: dataclasses.asdict(o) for n, o in self.outputs.items()},
            "disagreements": self.disagreements.tolist(),
        }
