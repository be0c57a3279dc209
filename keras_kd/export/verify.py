"""Whether a file answers as the model it was made from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.export import compare, schema
from keras_kd.export.errors import VerificationError
from keras_kd.export.probe import model_outputs
from keras_kd.export.report import ExportResult, artifact_path
from keras_kd.export.runtime import Runner
from keras_kd.export.samples import Batch, batch_length, batches
from keras_kd.export.signature import Signature, signature_of
from keras_kd.export.verification import OutputReport, Outputs, VerificationReport
from keras_kd.validation import positive_int

FAR = 100.0
"""So many times the model's largest answer is no error of conversion."""


def verify(
    model: keras.Model,
    artifact: str | os.PathLike[str] | ExportResult,
    data: Any,
    *,
    labels: Any = None,
    limit: int | None = None,
    batch_size: int = 32,
    threads: int = 1,
) -> VerificationReport:
    """Run a file and its model on the same data and compare the answers.

    Args:
        model: The `keras.Model` that the file was made from.
        artifact: Path of a .tflite file, or an `ExportResult`.
        data: Inputs `x`, or `(x, y)`, or a batched `tf.data.Dataset` or generator
            function of such. `x` is an array of shape `(samples, …)`, a list in the
            model's order, or a dict by input name.
        labels: Integer labels of shape `(samples,)` or one-hot ones of shape
            `(samples, classes)`; a dict or list for several outputs. Defaults to
            the `y` in `data`, where that is class labels.
        limit: Integer. At most so many samples. Defaults to `None`, all.
        batch_size: Integer. Samples that are compared at a time. Defaults to `32`.
        threads: Integer. Threads of the interpreter. Defaults to `1`.

    Returns:
        A `VerificationReport`.

    Raises:
        VerificationError: If the file needs operators outside the built-ins, does
            not load, has other names than the model, answers NaN, infinity or
            numbers a hundred times the model's, or answers the same whatever it is
            given.
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
    signature = signature_of(model)
    contents = schema.load(path)
    foreign = schema.foreign_operators(contents)
    if foreign:
        raise VerificationError(
            f"{str(path)!r} needs operators that LiteRT does not have built in: "
            f"{foreign}. Replace them in the model and export it again."
        )
    runner = Runner(path, positive_int("threads", threads))
    _same_names("inputs", list(runner.inputs), signature.names)
    expected, answered, carried, varied = _run(
        model, signature, runner, data, limit, batch_size
    )
    _refuse_nonsense(expected, answered, runner, varied)
    known = _labels_by_output(labels, carried, expected)
    outputs, differs = {}, np.zeros(len(next(iter(answered.values()))), bool)
    for name in answered:
        outputs[name], differing = _compare(
            expected[name], answered[name], known.get(name), _step(runner, name)
        )
        differs |= differing
    reports = list(outputs.values())
    return VerificationReport(
        artifact=path,
        samples=len(differs),
        max_error=max(r.max_error for r in reports),
        mean_error=sum(r.mean_error for r in reports) / len(reports),
        agreement=_lowest([r.agreement for r in reports]),
        accuracy=_lowest([r.accuracy for r in reports]),
        model_accuracy=_lowest([r.model_accuracy for r in reports]),
        outputs=outputs,
        tensor_dtypes=schema.tensor_dtypes(contents),
        operators=schema.operators(contents),
        foreign_operators=foreign,
        predictions=answered if len(answered) > 1 else next(iter(answered.values())),
        disagreements=np.flatnonzero(differs),
    )


def _run(
    model: keras.Model,
    signature: Signature,
    runner: Runner,
    data: Any,
    limit: int | None,
    batch_size: int,
) -> tuple[Outputs, Outputs, Any, bool]:
    """All answers of model and file, the data's labels, whether any input varied."""
    if limit is None and getattr(data, "cardinality", lambda: 0)() == -1:
        raise ValueError("`data` repeats without end. Pass `limit`.")
    expected: list[Outputs] = []
    answered: list[Outputs] = []
    carried: list[Any] = []
    first: Batch | None = None
    count, varied = 0, False
    for whole, y in batches(signature, data):
        room = batch_length(whole)
        if limit is not None:
            room = min(room, limit - count)
        for start in range(0, room, batch_size):
            stop = min(start + batch_size, room)
            part = {name: array[start:stop] for name, array in whole.items()}
            first = first or {name: array[:1] for name, array in part.items()}
            varied |= any((part[name] != first[name]).any() for name in part)
            expected.append(model_outputs(model, signature, part))
            if not answered:
                _same_names("outputs", list(runner.outputs), list(expected[0]))
            answered.append(runner(part))
        if y is not None:
            carried.append(_head(y, room))
        count += room
        if count == limit:
            break
    if not count:
        raise ValueError("`data` holds no sample.")
    labels = _joined(carried) if carried else None
    return _joined(expected), _joined(answered), labels, varied


def _joined(parts: list[Any]) -> Any:
    """Batches of one structure, end to end."""
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


def _head(labels: Any, count: int) -> Any:
    """The first labels of a batch, whatever they are nested in."""
    return keras.tree.map_structure(lambda array: array[:count], labels)


def _refuse_nonsense(
    expected: Outputs, answered: Outputs, runner: Runner, varied: bool
) -> None:
    """Raise for answers that no working file gives."""
    bad = compare.non_finite(answered)
    if bad:
        raise VerificationError(
            f"Outputs {bad} of the file are NaN or infinite; those of the model are "
            f"{'too' if compare.non_finite(expected) else 'finite'}."
        )
    for name, array in answered.items():
        of_file, of_model = (compare.largest(x[name]) for x in (answered, expected))
        if of_file > FAR * max(of_model, 1e-3):
            raise VerificationError(
                f"Output {name!r} of the file reaches {of_file:.3g}, that of the "
                f"model {of_model:.3g}: the weights in the file are not the model's."
            )
        if not varied or compare.spread(array) > 0:
            continue
        of_model = compare.spread(expected[name])
        # Answers that the model keeps within two steps may round to one.
        if of_model == 0 or of_model > 2 * (_step(runner, name) or 0.0):
            raise VerificationError(
                f"Output {name!r} of the file is the same for {len(array)} different "
                f"samples; the model's varies by {of_model:.3g}. "
                + (
                    "The model itself has collapsed, or its output has saturated."
                    if of_model == 0
                    else "The file ignores its input: calibrate with data like that "
                    "of use, or export it as float32 to find the culprit."
                )
            )


def _compare(
    expected: np.ndarray,
    answered: np.ndarray,
    labels: np.ndarray | None,
    step: float | None,
) -> tuple[OutputReport, np.ndarray]:
    """The report on one output, and which samples differ in their top class."""
    agreement: float | None = None
    differs = np.zeros(len(answered), bool)
    if compare.has_classes(expected):
        same = compare.same_class(expected, answered)
        agreement = float(same.mean())
        differs = np.logical_not(same.reshape(len(same), -1).all(-1))
    report = OutputReport(
        max_error=compare.largest_error(expected, answered),
        mean_error=compare.mean_error(expected, answered),
        step=step,
        agreement=agreement,
        accuracy=None if labels is None else compare.accuracy(answered, labels),
        model_accuracy=None if labels is None else compare.accuracy(expected, labels),
    )
    return report, differs


def _labels_by_output(
    labels: Any, carried: Any, expected: Outputs
) -> dict[str, np.ndarray]:
    """Integer labels by output name; those in the data count if they are labels."""
    given = labels is not None
    labels = labels if given else carried
    names = list(expected)
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        named = dict(labels)
    elif len(names) > 1 and isinstance(labels, (list, tuple)):
        named = dict(zip(names, labels, strict=False))
    else:
        named = {names[0]: labels} if len(names) == 1 else {}
    found = {}
    for name, value in named.items():
        outputs = expected.get(name)
        if outputs is not None and value is not None:
            value = np.asarray(value)[: len(outputs)]
            classes = compare.has_classes(outputs)
            known = compare.class_labels(value, outputs.shape) if classes else None
            if known is not None:
                found[name] = known
    if given and not found:
        shapes = {name: array.shape for name, array in expected.items()}
        raise ValueError(
            "`labels` must be integer labels or one-hot labels for outputs with two "
            "or more classes on the last axis (by name where there are several). "
            f"Outputs: {shapes}. Received: "
            f"{keras.tree.map_structure(np.shape, labels)}."
        )
    return found


def _same_names(what: str, of_file: list[str], of_model: list[str]) -> None:
    if set(of_file) != set(of_model):
        raise VerificationError(
            f"The file's {what} are {sorted(of_file)}, the model's "
            f"{sorted(of_model)}: this file was not made from this model by "
            "`export_tflite`."
        )


def _step(runner: Runner, name: str) -> float | None:
    return float(runner.outputs[name]["quantization"][0]) or None


def _lowest(values: list[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
