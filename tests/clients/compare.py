"""What a client answered, held against the reference runtime and against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.clients.paths import FILES

STEPS = 2
"""XNNPACK and plain kernels round products differently, so two steps apart at most."""

SPREAD = {"float32": 1e-5, "float16": 1e-5}
"""Largest difference of float outputs, relative to the reference's spread."""
OTHER_SPREAD = 0.03
"""… where int8 weights meet activations that each runtime quantizes its own way."""

ACCURACY = 0.025
"""A file may lose so much accuracy to Keras: three of 120 examples."""


class Outcome(NamedTuple):
    """How far a client is from the reference, and how often it is right."""

    steps: int | None
    error: float
    agreement: float
    accuracy: float
    keras: float
    limit: float

    @property
    def equal(self) -> bool:
        """Every bit as on the reference."""
        return not self.steps and self.error == 0.0

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; empty where the client is right."""
        found = []
        if self.steps is not None and self.steps > STEPS:
            found.append(f"{self.steps} steps from the reference")
        if not self.error <= self.limit:  # NaN is no answer either
            found.append(f"error {self.error:.2g}, more than {self.limit:g}")
        if self.accuracy < self.keras - ACCURACY:
            found.append(f"accuracy {self.accuracy:.3f}, Keras {self.keras:.3f}")
        return found

    @property
    def detail(self) -> str:
        """The figures, as a record has them."""
        apart = f"error {self.error:.2g}" if self.steps is None else ""
        apart = apart or f"steps {self.steps}"
        if self.equal:
            apart = "bit-equal"
        return (
            f"{apart}, agreement {self.agreement:.3g}, accuracy {self.accuracy:.3g} "
            f"(Keras {self.keras:.3g})"
        )


def compare(
    artifact: dict[str, Any],
    index: dict[str, Any],
    answers: dict[str, np.ndarray],
    folder: Path = FILES,
) -> Outcome:
    """Hold raw outputs against the reference's, and their top classes against labels.

    Args:
        artifact: An entry of `artifacts` in the index.
        index: The index.
        answers: Raw outputs of the client by name, in the file's own types.
        folder: The folder of the files.

    Returns:
        An `Outcome`, over all outputs; accuracies are of the first.

    Raises:
        AssertionError: If an output lacks, or has another shape or type.
    """
    student = index["students"][artifact["student"]]
    steps: int | None = None
    error = 0.0
    for tensor in artifact["outputs"]:
        expected = np.load(folder / tensor["file"])
        got = answers[tensor["name"]]
        assert got.shape == expected.shape, (got.shape, expected.shape)
        assert got.dtype == expected.dtype, (got.dtype, expected.dtype)
        apart = np.abs(got.astype("float64") - expected.astype("float64")).max()
        if tensor["scale"]:
            steps = max(steps or 0, int(apart))
        else:
            spread = float(np.ptp(expected)) or 1.0
            error = max(error, float(apart) / spread) if apart == apart else np.nan
    first = artifact["outputs"][0]
    expected = np.load(folder / first["file"])
    top = np.argmax(answers[first["name"]], -1)
    labels = np.load(folder / student["labels"])
    return Outcome(
        steps,
        error,
        float(np.mean(top == np.argmax(expected, -1))),
        float(np.mean(top == labels)),
        student["accuracy"],
        SPREAD.get(artifact["recipe"], OTHER_SPREAD),
    )


def apart_from_keras(
    artifact: dict[str, Any],
    index: dict[str, Any],
    answers: dict[str, np.ndarray],
    folder: Path = FILES,
) -> float:
    """Largest difference of real-valued outputs from Keras's, relative to their spread.

    A file with its softmax outside is held against the softmax of Keras's logits.
    """
    (expected,) = [
        np.load(folder / file).astype("float64")
        for file in index["students"][artifact["student"]]["outputs"].values()
    ]
    if artifact["variant"] == "float_softmax":
        powers = np.exp(expected - expected.max(-1, keepdims=True))
        expected = powers / powers.sum(-1, keepdims=True)
    (output,) = artifact["outputs"]
    got = answers[output["name"]].astype("float64")
    if output["scale"]:
        got = (got - output["zero_point"]) * output["scale"]
    return float(np.abs(got - expected).max() / np.ptp(expected))


def inputs_of(artifact: dict[str, Any], folder: Path = FILES) -> dict[str, np.ndarray]:
    """The inputs of a file by name, as they enter it."""
    return {t["name"]: np.load(folder / t["file"]) for t in artifact["inputs"]}
