"""How large and how fast a file is."""

from __future__ import annotations

import dataclasses
import gzip
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.export import schema
from keras_kd.export.arena import arena_bytes
from keras_kd.export.report import ExportResult, artifact_path
from keras_kd.export.runtime import Runner
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
            once.
        arena_bytes: Integer. An estimate of the memory for activations, from their
            lifetimes; XNNPACK's and the operators' own come on top.
        latency_ms: Dict from the number of threads to a dict with `"p50"`,
            `"p90"`, `"p99"`, `"mean"` in milliseconds and `"runs"`, on this machine.
    """

    artifact: Path
    bytes: int
    gzip_bytes: int
    parameters: int
    macs: int
    arena_bytes: int
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
    """Measure a file in the LiteRT interpreter with its default CPU delegate.

    Args:
        artifact: Path of a .tflite file, or an `ExportResult`.
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
    counts = [positive_int("threads", count) for count in threads]
    content = path.read_bytes()
    model = schema.load(content)
    return BenchmarkReport(
        artifact=path,
        bytes=len(content),
        gzip_bytes=len(gzip.compress(content, mtime=0)),
        parameters=schema.parameters(model),
        macs=schema.macs(model),
        arena_bytes=arena_bytes(model),
        latency_ms={
            count: summary(_times(path, count, runs, warmup)) for count in counts
        },
    )


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles and mean of times in seconds, in milliseconds."""
    times = np.asarray(seconds) * 1e3
    p50, p90, p99 = (float(p) for p in np.percentile(times, [50, 90, 99]))
    mean = float(times.mean())
    return {"p50": p50, "p90": p90, "p99": p99, "mean": mean, "runs": len(times)}


def _times(path: Path, threads: int, runs: int, warmup: int) -> list[float]:
    """Seconds of each timed inference on random inputs."""
    interpreter = Runner(path, threads).interpreter
    generator = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        dtype = np.dtype(details["dtype"])
        values = generator.random(details["shape"])
        # Zero is a valid token, index and pixel.
        filled = values if dtype.kind == "f" else np.zeros_like(values)
        interpreter.set_tensor(details["index"], filled.astype(dtype))
    for _ in range(warmup):
        interpreter.invoke()
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - begin)
    return seconds
