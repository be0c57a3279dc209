"""What a verification found, as data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_kd.export.verify.delegates import Delegation
from keras_kd.export.verify.layer_errors import LayerError

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
        snr_db: Float. Signal to noise in decibels, `10 log10(Σ model² / Σ error²)`,
            200 for equal answers.
        model_classes: Integer. How many different classes the model names; if it is
            one, agreement says nothing. None where there are no classes.
    """

    max_error: float
    mean_error: float
    step: float | None
    agreement: float | None
    accuracy: float | None
    model_accuracy: float | None
    snr_db: float | None = None
    model_classes: int | None = None


@dataclasses.dataclass(frozen=True)
class WorstInput:
    """A sample on which file and model differ.

    Args:
        index: Integer. Its place in the data.
        output: String. The output that is told of.
        error: Float. Largest absolute error of that output.
        differs: Boolean. Whether the top class of any output differs.
        model_class: Integer or None. The model's top class.
        file_class: Integer or None. The file's.
        label: Integer or None. The right one, where known.
        inputs: Dict of arrays by input name, without the batch axis. Not in
            `to_dict()`.
    """

    index: int
    output: str
    error: float
    differs: bool
    model_class: int | None
    file_class: int | None
    label: int | None
    inputs: dict[str, np.ndarray] = dataclasses.field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The sample as JSON can hold it, without the input itself."""
        return _shallow(self, without="inputs")


@dataclasses.dataclass(frozen=True)
class VerificationReport:
    """What `verify` found.

    With several outputs, `max_error` is the largest, `mean_error` the mean over
    outputs, and `agreement`, `snr_db` and the accuracies the lowest of those that
    exist.

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
        signature: String or None. The signature that ran, where one was asked for.
        snr_db: Float. Signal to noise of the answers in decibels.
        bytes: Integer. Size of the file.
        gzip_bytes: Integer. Size compressed, what is downloaded.
        macs: Integer. Multiply-accumulates of one inference; None for ONNX.
        arena_bytes: Integer. An estimate of the memory for activations; None for
            ONNX.
        activations: List of dicts, the tensors that are computed, as
            `keras_kd.export.schema.activations` gives them; None for ONNX.
        float_islands: List of dicts, the operators that compute with floats in a
            file that computes in integers otherwise; None for other files.
        delegation: A `Delegation`: how much of the file the CPU delegate takes;
            None for ONNX, and for a signature that is not the file's first.
        layers: List of `LayerError`, if they were asked for.
        unmatched_layers: List of the names of tensors that were not compared,
            having no like in the float32 file.
        worst: List of `WorstInput`, the worst first, if they were asked for.
        latency_ms: Dict from the number of threads to percentiles, as `benchmark`
            gives them, if they were asked for.
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
    signature: str | None = None
    snr_db: float | None = None
    bytes: int | None = None
    gzip_bytes: int | None = None
    macs: int | None = None
    arena_bytes: int | None = None
    activations: list[dict[str, Any]] | None = dataclasses.field(
        default=None, repr=False
    )
    float_islands: list[dict[str, Any]] | None = None
    delegation: Delegation | None = None
    layers: list[LayerError] | None = dataclasses.field(default=None, repr=False)
    unmatched_layers: list[str] | None = None
    worst: list[WorstInput] | None = None
    latency_ms: dict[int, dict[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it, without the predictions."""
        fields = _shallow(self, without="predictions") | {
            "artifact": str(self.artifact),
            "outputs": {n: dataclasses.asdict(o) for n, o in self.outputs.items()},
            "disagreements": self.disagreements.tolist(),
        }
        if self.delegation is not None:
            fields["delegation"] = dataclasses.asdict(self.delegation)
        if self.layers is not None:
            fields["layers"] = [dataclasses.asdict(layer) for layer in self.layers]
        if self.worst is not None:
            fields["worst"] = [worst.to_dict() for worst in self.worst]
        if self.latency_ms is not None:
            fields["latency_ms"] = {str(n): row for n, row in self.latency_ms.items()}
        return fields


def _shallow(report: Any, without: str) -> dict[str, Any]:
    """The fields as they are, but for one."""
    names = [field.name for field in dataclasses.fields(report)]
    return {name: getattr(report, name) for name in names if name != without}
