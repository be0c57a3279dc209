"""How large and how fast a file is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_kd.export.benchmark.facts import file_facts
from keras_kd.export.benchmark.latency import latency_ms
from keras_kd.export.report import ExportResult, artifact_path
from keras_kd.validation import positive_int


@dataclasses.dataclass(frozen=True)
class BenchmarkReport:
    """What `benchmark` measured.

    Args:
        artifact: Path of the file.
        bytes: Integer. Size of the file, what an app store adds to the app.
        gzip_bytes: Integer. Size compressed, what is downloaded.
        parameters: Integer. Weights in the file, after its layers were folded.
        macs: Integer. Multiply-accumulates of one inference; a loop's body counts
            once. None for an ONNX file.
        arena_bytes: Integer. An estimate of the memory for activations, from their
            lifetimes; XNNPACK's and the operators' own come on top. None for an
            ONNX file.
        latency_ms: Dict from the number of threads to a dict with `"p50"`,
            `"p90"`, `"p99"`, `"mean"` in milliseconds and `"runs"`, on this machine.
    """

    artifact: Path
    bytes: int
    gzip_bytes: int
    parameters: int
    macs: int | None
    arena_bytes: int | None
    latency_ms: dict[int, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        latency = {str(threads): row for threads, row in self.latency_ms.items()}
        fields = dataclasses.asdict(self)
        return fields | {"artifact": str(self.artifact), "latency_ms": latency}


def benchmark(
    artifact: str | os.PathLike[str] | ExportResult,
    *,
    threads: Sequence[int] = (1, 2),
    runs: int = 50,
    warmup: int = 10,
) -> BenchmarkReport:
    """Measure a file: .tflite in the LiteRT interpreter with its default CPU
    delegate, .onnx in onnxruntime.

    The console script `litert-benchmark` is not used: it rounds its times to a
    hundredth of a millisecond, in which a small student runs twice.

    Args:
        artifact: Path of a .tflite or .onnx file, or an `ExportResult`.
        threads: Integers. Numbers of threads to measure with. Defaults to `(1, 2)`.
        runs: Integer. Timed inferences for each. Defaults to `50`.
        warmup: Integer. Inferences before those. Defaults to `10`.

    Returns:
        A `BenchmarkReport`.

    Raises:
        FileNotFoundError: If there is no such file.
        VerificationError: If LiteRT refuses the file.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    report = benchmark(result, threads=(1,), runs=20)
    report.bytes, report.macs, report.latency_ms[1]["p50"]
    ```
    """
    path = artifact_path(artifact)
    runs, warmup = positive_int("runs", runs), positive_int("warmup", warmup)
    for count in threads:
        positive_int("threads", count)
    facts = file_facts(path)
    return BenchmarkReport(
        artifact=path,
        bytes=facts.bytes,
        gzip_bytes=facts.gzip_bytes,
        parameters=facts.parameters,
        macs=facts.macs,
        arena_bytes=facts.arena_bytes,
        latency_ms=latency_ms(path, threads, runs, warmup),
    )
