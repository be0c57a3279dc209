"""How long a file takes, alone or in turns with another."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.export import schema
from keras_kd.export.report import ExportResult, artifact_path
from keras_kd.export.runners import open_runner
from keras_kd.validation import positive_int

ROUND = 5
"""Inferences in a row before it is the other file's turn."""

Artifact = str | os.PathLike[str] | ExportResult


@dataclasses.dataclass(frozen=True)
class LatencyComparison:
    """Two files timed in turns, so that both met the same machine.

    Args:
        artifact: Path of the file.
        reference: Path of the file it is held against.
        threads: Integer. Threads of the interpreter.
        file_ms: Dict as `summary` gives it, of the file.
        reference_ms: Dict as `summary` gives it, of the reference.
    """

    artifact: Path
    reference: Path
    threads: int
    file_ms: dict[str, float]
    reference_ms: dict[str, float]

    @property
    def ratio(self) -> float:
        """The file's median as a multiple of the reference's."""
        return self.file_ms["p50"] / self.reference_ms["p50"]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON can hold it."""
        fields = dataclasses.asdict(self) | {"ratio": self.ratio}
        return fields | {
            "artifact": str(self.artifact),
            "reference": str(self.reference),
        }


def compare_latency(
    artifact: Artifact,
    reference: Artifact,
    *,
    threads: int = 1,
    runs: int = 200,
    warmup: int = 20,
) -> LatencyComparison:
    """Time a file and a reference in turns.

    A machine that slows down in between slows both, which two measurements one after
    the other would take for a difference of the files.

    Args:
        artifact: Path of a .tflite or .onnx file, or an `ExportResult`.
        reference: Path of the file to hold it against, of the same kind; mostly the
            float32 export of the same model.
        threads: Integer. Threads of the interpreter. Defaults to `1`.
        runs: Integer. Timed inferences of each. Defaults to `200`.
        warmup: Integer. Inferences of each before those. Defaults to `20`.

    Returns:
        A `LatencyComparison`.

    Raises:
        FileNotFoundError: If a file is not there.
        VerificationError: If the runtime refuses a file.

    Example:

    ```python
    quick = export_tflite(model, "student_f16.tflite", "float16")
    plain = export_tflite(model, "student.tflite")
    compare_latency(quick, plain, runs=20).ratio
    ```
    """
    ours, theirs = artifact_path(artifact), artifact_path(reference)
    runs, warmup = positive_int("runs", runs), positive_int("warmup", warmup)
    threads = positive_int("threads", threads)
    of_file, of_reference = in_turns(
        [prepared(path, threads) for path in (ours, theirs)], runs, warmup
    )
    return LatencyComparison(
        ours, theirs, threads, summary(of_file), summary(of_reference)
    )


def latency_ms(
    path: Path, threads: Sequence[int], runs: int, warmup: int
) -> dict[int, dict[str, float]]:
    """`summary` of a file's times, by the number of threads."""
    counts = [positive_int("threads", count) for count in threads]
    return {
        count: summary(in_turns([prepared(path, count)], runs, warmup)[0])
        for count in counts
    }


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles and mean of times in seconds, in milliseconds."""
    times = np.asarray(seconds) * 1e3
    p50, p90, p99 = (float(p) for p in np.percentile(times, [50, 90, 99]))
    mean = float(times.mean())
    return {"p50": p50, "p90": p90, "p99": p99, "mean": mean, "runs": len(times)}


def prepared(path: Path, threads: int) -> Callable[[], Any]:
    """One inference on random inputs, as a function to be timed."""
    runner = open_runner(path, threads)
    if path.suffix == ".onnx":
        fed = {name: _any(details) for name, details in runner.inputs.items()}
        return lambda: runner.session.run(None, fed)
    runner({name: _any(details) for name, details in runner.inputs.items()})
    # What the signature runs need not be the first subgraph, which `invoke` runs.
    number = schema.subgraph_of(schema.load(path))
    wrapped = runner.interpreter._interpreter
    return lambda: wrapped.Invoke(number)


def _any(details: Mapping[str, Any]) -> np.ndarray:
    """Random floats; zeros for integers, a valid token, index and pixel."""
    dtype = np.dtype(details["dtype"])
    values = np.random.default_rng(0).random(details["shape"])
    return (values if dtype.kind == "f" else np.zeros_like(values)).astype(dtype)


def in_turns(
    calls: Sequence[Callable[[], Any]], runs: int, warmup: int
) -> list[list[float]]:
    """Seconds of each call, a few of one and then a few of the next.

    Args:
        calls: Functions.
        runs: Integer. Timed calls of each.
        warmup: Integer. Calls of each before those.

    Returns:
        For each function, a list of `runs` times in seconds.
    """
    for call in calls:
        for _ in range(warmup):
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    order = list(range(len(calls)))
    while len(seconds[0]) < runs:
        count = min(ROUND, runs - len(seconds[0]))
        for which in order:
            for _ in range(count):
                begin = time.perf_counter()
                calls[which]()
                seconds[which].append(time.perf_counter() - begin)
        order.reverse()
    return seconds
