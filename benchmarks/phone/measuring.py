"""Every file of a student: how large, how right, how fast."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.export import (
    ExportError,
    VerificationError,
    benchmark,
    compare_latency,
    export_tflite,
    verify,
)

from .cache import Cache
from .task import Task
from .training import classes, float_student, trained_on

CALIBRATION = 500
RUNS = 200


@dataclasses.dataclass(frozen=True)
class File:
    """A file to measure: which recipe, and whether the training knew of it.

    `training` is `"after"` (post-training quantization, or none) or `"aware"`.
    """

    recipe: str
    training: str

    @property
    def name(self) -> str:
        return f"{self.recipe}_{self.training}"


def files(task: Task) -> Iterator[File]:
    """The task's files, float32 first."""
    for recipe in task.recipes:
        yield File(recipe, "after")
        if recipe in task.modes:
            yield File(recipe, "aware")


def measure(task: Task, cache: Cache, again: bool = False) -> dict[str, Any]:
    """All rows of a task and what they are held against.

    Args:
        task: a `Task`.
        cache: its `Cache`.
        again: bool. Measure files that were measured before. Defaults to False.

    Returns:
        Dict with `"settings"`, `"teacher"`, `"student"`, `"more"` (accuracies of the
        float student, and of the same trained on as long as the quantize-aware one),
        `"auto"`, and `"rows"`.
    """
    if again:
        for path in cache.path.glob("*_row.json"):
            path.unlink()
    students = {}
    for seed in task.seeds:
        print(f"  student, seed {seed}", flush=True)
        students[seed] = float_student(task, cache, seed)
        trained_on(task, cache, seed)
    answers = {seed: classes(model, task.x_test) for seed, model in students.items()}
    more = [classes(trained_on(task, cache, s), task.x_test) for s in task.seeds]
    return {
        "about": task.about,
        "settings": task.settings(),
        "teacher": task.teacher_accuracy,
        "student": [_right(answers[seed], task) for seed in task.seeds],
        "more": [_right(found, task) for found in more],
        "auto": _automatic(task, students[task.seeds[0]], cache),
        "rows": [_row(task, cache, file, students, answers) for file in files(task)],
    }


def _row(task, cache, file, students, answers) -> dict[str, Any]:
    """One file over all seeds; sizes and times are those of the first."""

    def make():
        print(f"  {file.recipe}, {file.training}", flush=True)
        found = [
            _one_seed(task, cache, file, seed, students[seed], answers[seed])
            for seed in task.seeds
        ]
        row = {key: [one[key] for one in found] for key in found[0]}
        speed = _size_and_speed(_path(cache, file, task.seeds[0]), cache)
        return {**about, **row, **speed}

    about = {"recipe": file.recipe, "training": file.training}
    try:
        return cache.record(f"{file.name}_row", make)
    except (ExportError, VerificationError, ValueError, ImportError) as error:
        # Not kept: the next run tries again.
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        print(f"    failed: {reason}", flush=True)
        return {**about, "failed": reason}


def _one_seed(task, cache, file, seed, student, answers) -> dict[str, Any]:
    model = student
    if file.training == "aware":
        model = trained_on(task, cache, seed, file.recipe)
    path = export(task, model, file, _path(cache, file, seed))
    limit = task.slow_limit if file.recipe == "int16x8" else None
    report = verify(model, path, (task.x_test[:limit], task.y_test[:limit]))
    predicted = np.asarray(report.predictions).argmax(-1)
    before = np.mean(answers[:limit] == task.y_test[:limit])
    (output,) = report.outputs.values()
    return {
        "samples": report.samples,
        "accuracy": report.accuracy,
        "drop": float(100 * (before - report.accuracy)),
        "agreement": float(np.mean(predicted == answers[:limit])),
        # Beside the model it was made from, which for "aware" is not the float one.
        "own_agreement": report.agreement,
        "own_steps": output.max_error / output.step if output.step else None,
    }


def export(task: Task, model: keras.Model, file: File, path: Path) -> Path:
    """Write the file; an int8 student that was trained so needs no calibration."""
    data = None if file.name == "int8_aware" else task.x_train[:CALIBRATION]
    export_tflite(model, path, file.recipe, data, overwrite=True)
    return path


def _size_and_speed(path: Path, cache: Cache) -> dict[str, Any]:
    facts = benchmark(path, threads=(1,), runs=1, warmup=1)
    reference = _path(cache, File("float32", "after"), int(path.stem.split("_")[-1]))
    slow = "int16x8" in path.name
    pair = compare_latency(path, reference, runs=20 if slow else RUNS)
    return {
        "bytes": facts.bytes,
        "gzip_bytes": facts.gzip_bytes,
        "parameters": facts.parameters,
        "macs": facts.macs,
        "latency_ms": pair.file_ms["p50"],
        "latency_ratio": pair.ratio,
        **instructions(path),
    }


def instructions(path: Path) -> dict[str, Any]:
    """Instructions of one inference under arm64 emulation, or why there are none."""
    try:
        import arm64
    except ImportError:
        return {"no_instructions": "benchmarks/arm64.py is not there"}
    try:
        return {"instructions": arm64.instructions(path, 20)}
    except Exception as error:  # whatever the emulator says: the other columns stand
        reason = str(error).splitlines()[0].replace(str(path.resolve()), path.name)
        return {"no_instructions": reason}


def byte_products(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Whether this CPU has instructions for products of bytes, in words."""
    if not cpuinfo.exists():
        return "of which nothing more is known"
    flags = cpuinfo.read_text().replace("_", "").split()
    found = {"avx512vnni", "avxvnni", "asimddp"} & set(flags)
    return f"{'with' if found else 'without'} dot products of bytes (VNNI)"


def _automatic(task: Task, student: keras.Model, cache: Cache) -> dict[str, Any]:
    """What `recipe="auto"` chooses for the float student, and why."""
    path = cache.path / "auto.tflite"
    result = export_tflite(
        student, path, "auto", task.x_train[:CALIBRATION], overwrite=True
    )
    return {"recipe": result.recipe.name, **result.report["auto"]}


def mean(values: list[float]) -> float:
    """The mean over seeds."""
    return statistics.fmean(values)


def _right(found: np.ndarray, task: Task) -> float:
    return float(np.mean(found == task.y_test))


def _path(cache: Cache, file: File, seed: int) -> Path:
    return cache.path / f"{file.name}_{seed}.tflite"
