"""`keras-kd verify`: compare, hold to limits, and write it down."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import keras

from keras_kd import export
from keras_kd.cli import text
from keras_kd.cli.inputs import Samples, load_samples
from keras_kd.cli.verify_text import verification_text
from keras_kd.export.benchmark.latency import LatencyComparison, compare_latency
from keras_kd.export.page import verification_page
from keras_kd.export.report import artifact_path
from keras_kd.export.verify import gate
from keras_kd.export.verify.junit import junit
from keras_kd.export.verify.reference import float_reference
from keras_kd.validation import positive_int
from keras_kd.workflow.inputs import load_model

GATE_FAILED = 1


def verify(arguments: argparse.Namespace, typed: str) -> int:
    """Returns 0, or 1 where the file was refused or a limit not kept."""
    begun = time.perf_counter()
    limits = _gate(arguments)
    if arguments.worst:
        positive_int("--worst", arguments.worst)
    path = artifact_path(arguments.file)
    model = load_model(arguments.model)
    data = load_samples(arguments, model)
    report: export.VerificationReport | None = None
    latency: LatencyComparison | None = None
    try:
        with tempfile.TemporaryDirectory() as folder:
            reference = _reference(arguments, model, path, Path(folder))
            report = export.verify(
                model,
                path,
                data.x if data.y is None else (data.x, data.y),
                limit=arguments.limit,
                signature=arguments.signature,
                layers=(reference or True) if arguments.layers else False,
                worst=arguments.worst,
                latency=arguments.latency,
            )
            if limits is not None and limits.max_latency_ratio and reference:
                latency = compare_latency(path, reference)
        if limits is None:
            result = gate.GateResult((gate.verified(report),))
        else:
            result = limits.check(report, latency)
    except export.VerificationError as error:
        result = gate.refused(str(error))
    seconds = time.perf_counter() - begun
    fields = _fields(arguments, data, report, latency, result, seconds, typed)
    if arguments.junit:
        told = {"model": arguments.model, "data": arguments.data, "command": typed}
        content = junit(result, path.name, seconds=seconds, properties=told)
        text.write(arguments.junit, content)
    if arguments.html:
        page = verification_page(fields, _pictures(report, data))
        text.write(arguments.html, page.encode(errors="replace"))
    if arguments.json == "-":
        text.print_json(fields)
    else:
        print(verification_text(fields, gated=limits is not None))
        if arguments.json:
            text.write(arguments.json, (text.json_text(fields) + "\n").encode())
        written = (arguments.json, arguments.junit, arguments.html)
        if any(written):
            print("\n" + "\n".join(file for file in written if file))
    return 0 if result.passed else GATE_FAILED


def _gate(arguments: argparse.Namespace) -> gate.Gate | None:
    """The limits that were typed."""
    limits: dict[str, Any] = {
        "max_accuracy_drop": arguments.max_accuracy_drop,
        "max_bytes": arguments.max_bytes,
        "max_latency_ratio": arguments.max_latency_ratio,
        "min_agreement": arguments.min_agreement,
        "int8_only": "strict" if arguments.int8_strict else arguments.int8_only,
    }
    # Zero is a limit too, and no loss of accuracy one to ask for.
    if all(limit is None or limit is False for limit in limits.values()):
        return None
    return gate.Gate(**limits)


def _reference(
    arguments: argparse.Namespace, model: keras.Model, path: Path, folder: Path
) -> Path | None:
    """The float32 file, where one is needed."""
    if arguments.reference:
        return artifact_path(arguments.reference)
    if arguments.max_latency_ratio is None and not arguments.layers:
        return None
    return float_reference(model, path, folder)


def _fields(
    arguments: argparse.Namespace,
    data: Samples,
    report: export.VerificationReport | None,
    latency: LatencyComparison | None,
    result: gate.GateResult,
    seconds: float,
    typed: str,
) -> dict[str, Any]:
    """All that was found, as JSON can hold it."""
    fields = {} if report is None else report.to_dict()
    names = data.class_names
    for sample in fields.get("worst") or ():
        for key in ("model_class", "file_class", "label"):
            index = sample[key]
            known = index is not None and 0 <= index < len(names)
            sample[f"{key}_name"] = names[index] if known else None
    return fields | {
        "artifact": arguments.file,
        "model": arguments.model,
        "data": data.name,
        "latency": None if latency is None else latency.to_dict(),
        "gate": result.to_dict(),
        "seconds": round(seconds, 3),
        "command": typed,
    }


def _pictures(report: export.VerificationReport | None, data: Samples) -> list[Any]:
    """The worst inputs' arrays, in the order of the report."""
    if report is None or not report.worst:
        return []
    return [next(iter(sample.inputs.values())) for sample in report.worst]
