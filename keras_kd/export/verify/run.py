"""Whether a file answers as the model it was made from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.export import compare, schema
from keras_kd.export.benchmark.facts import file_facts
from keras_kd.export.benchmark.latency import latency_ms
from keras_kd.export.errors import VerificationError
from keras_kd.export.report import ExportResult, artifact_path
from keras_kd.export.runners import open_runner
from keras_kd.export.samples import batch_length
from keras_kd.export.signature import signature_of
from keras_kd.export.verify.answers import Answers, collect, refuse_nonsense, same_names
from keras_kd.export.verify.delegates import Delegation, delegation
from keras_kd.export.verify.labels import labels_by_output
from keras_kd.export.verify.layer_errors import LayerError, layer_errors
from keras_kd.export.verify.reference import float_reference
from keras_kd.export.verify.verification import OutputReport, VerificationReport
from keras_kd.export.verify.worst import worst_inputs
from keras_kd.validation import positive_int

LAYER_SAMPLES = 32
"""Samples on which layers are compared: each has as many numbers as a picture."""


def verify(
    model: keras.Model,
    artifact: str | os.PathLike[str] | ExportResult,
    data: Any,
    *,
    labels: Any = None,
    limit: int | None = None,
    batch_size: int = 32,
    threads: int = 1,
    signature: str | None = None,
    layers: bool | str | os.PathLike[str] = False,
    worst: int = 0,
    latency: Sequence[int] = (),
) -> VerificationReport:
    """Run a file and its model on the same data and compare the answers.

    Args:
        model: The `keras.Model` that the file was made from.
        artifact: Path of a .tflite or .onnx file, or an `ExportResult`.
        data: Inputs `x`, or `(x, y)`, or a batched `tf.data.Dataset` or generator
            function of such. `x` is an array of shape `(samples, …)`, a list in the
            model's order, or a dict by input name.
        labels: Integer labels of shape `(samples,)` or one-hot ones of shape
            `(samples, classes)`; a dict or list for several outputs. Defaults to
            the `y` in `data`, where that is class labels.
        limit: Integer. At most so many samples. Defaults to `None`, all.
        batch_size: Integer. Samples that are compared at a time. Defaults to `32`.
        threads: Integer. Threads of the interpreter. Defaults to `1`.
        signature: String. Which signature of a .tflite file to run, `model` being
            the one that it was made from. Defaults to `None`: the only one, or
            `"serve"`.
        layers: Boolean, or the path of a float32 .tflite file of the same model.
            Whether to find the signal to noise of each layer, on the first 32
            samples; True writes the float32 file to a temporary folder. Defaults to
            `False`.
        worst: Integer. How many of the samples to keep on which file and model
            differ most. Defaults to `0`.
        latency: Integers. Numbers of threads to measure the latency with. Defaults
            to `()`.

    Returns:
        A `VerificationReport`.

    Raises:
        VerificationError: If the file needs operators outside the built-ins, does
            not load, has other names than the model, answers NaN, infinity or
            numbers a hundred times the model's, or answers the same whatever it is
            given; or if the model itself answers NaN or infinity.
        ValueError: If the data or the labels do not fit the model.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    report = verify(model, result, np.random.rand(50, 4), labels=np.zeros(50))
    report.max_error, report.agreement, report.accuracy
    ```
    """
    path = artifact_path(artifact)
    positive_int("batch_size", batch_size)
    if limit is not None:
        positive_int("limit", limit)
    if worst:
        positive_int("worst", worst)
    for count in latency:
        positive_int("latency", count)
    if layers and path.suffix == ".onnx":
        raise ValueError(
            f"`layers` can be compared in a .tflite file. Received: {str(path)!r}."
        )
    ends = signature_of(model)
    facts = file_facts(path)
    if facts.foreign_operators:
        raise VerificationError(
            f"{str(path)!r} needs operators that LiteRT does not have built in: "
            f"{facts.foreign_operators}. Replace them in the model and export it again."
        )
    runner = open_runner(path, positive_int("threads", threads), signature)
    same_names("inputs", runner.inputs, ends.names)
    answers = collect(
        model, ends, runner, data,
        limit=limit, batch_size=batch_size, keep=-1 if worst else LAYER_SAMPLES,
    )  # fmt: skip
    steps = {name: _step(runner, name) for name in runner.outputs}
    refuse_nonsense(answers, steps)
    expected, answered = answers.expected, answers.answered
    known = labels_by_output(labels, answers.labels, expected, limit is not None)
    outputs, differs = {}, np.zeros(len(next(iter(answered.values()))), bool)
    for name in answered:
        outputs[name], differing = _compare(
            expected[name], answered[name], known.get(name), steps[name]
        )
        differs |= differing
    reports = list(outputs.values())
    found, unmatched = None, None
    if layers:
        found, unmatched = _layers(model, path, layers, answers, signature)
    return VerificationReport(
        artifact=path,
        samples=len(differs),
        max_error=max(r.max_error for r in reports),
        mean_error=sum(r.mean_error for r in reports) / len(reports),
        agreement=_lowest([r.agreement for r in reports]),
        accuracy=_lowest([r.accuracy for r in reports]),
        model_accuracy=_lowest([r.model_accuracy for r in reports]),
        outputs=outputs,
        tensor_dtypes=facts.tensor_dtypes,
        operators=facts.operators,
        foreign_operators=facts.foreign_operators,
        predictions=answered if len(answered) > 1 else next(iter(answered.values())),
        disagreements=np.flatnonzero(differs),
        signature=signature,
        snr_db=_lowest([r.snr_db for r in reports]),
        bytes=facts.bytes,
        gzip_bytes=facts.gzip_bytes,
        macs=facts.macs,
        arena_bytes=facts.arena_bytes,
        activations=facts.activations,
        float_islands=facts.float_islands,
        delegation=_delegation(runner, path, signature),
        layers=found,
        unmatched_layers=unmatched,
        worst=worst_inputs(expected, answered, known, answers.inputs, worst)
        if worst
        else None,
        latency_ms=latency_ms(path, latency, 50, 10) if latency else None,
    )


def _delegation(runner: Any, path: Path, signature: str | None) -> Delegation | None:
    """The interpreter tells of its first subgraph alone."""
    if path.suffix == ".onnx" or schema.subgraph_of(schema.load(path), signature):
        return None
    return delegation(runner.interpreter)


def _layers(
    model: keras.Model,
    path: Path,
    reference: bool | str | os.PathLike[str],
    answers: Answers,
    signature: str | None,
) -> tuple[list[LayerError], list[str]]:
    """Each layer beside that of a float32 file, written where none is given."""
    names = [layer.name for layer in model._flatten_layers(include_self=False)]
    room, parts = LAYER_SAMPLES, []
    for part in answers.inputs:
        parts.append({name: array[:room] for name, array in part.items()})
        room -= batch_length(part)
        if room <= 0:
            break
    with tempfile.TemporaryDirectory() as folder:
        plain = (
            float_reference(model, path, Path(folder))
            if isinstance(reference, bool)
            else artifact_path(reference)
        )
        return layer_errors(path, plain, parts, signature=signature, layers=names)


def _compare(
    expected: np.ndarray,
    answered: np.ndarray,
    labels: np.ndarray | None,
    step: float | None,
) -> tuple[OutputReport, np.ndarray]:
    """The report on one output, and which samples differ in their top class."""
    agreement: float | None = None
    model_classes: int | None = None
    differs = np.zeros(len(answered), bool)
    if compare.has_classes(expected):
        same = compare.same_class(expected, answered)
        agreement = float(same.mean())
        model_classes = len(np.unique(expected.argmax(-1)))
        differs = np.logical_not(same.reshape(len(same), -1).all(-1))
    report = OutputReport(
        max_error=compare.largest_error(expected, answered),
        mean_error=compare.mean_error(expected, answered),
        step=step,
        agreement=agreement,
        accuracy=None if labels is None else compare.accuracy(answered, labels),
        model_accuracy=None if labels is None else compare.accuracy(expected, labels),
        snr_db=compare.snr_db(expected, answered),
        model_classes=model_classes,
    )
    return report, differs


def _step(runner: Any, name: str) -> float | None:
    return float(runner.outputs[name]["quantization"][0]) or None


def _lowest(values: list[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
