"""The converter, behind one door: a process of its own that is kept between exports.

TensorFlow's converter is C++ that can end a process without an exception. Here that
ends a worker, and becomes an `ExportError` with the reason.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from keras_kd.export.errors import ExportError
from keras_kd.export.tflite import converter_worker

FATAL = "Fatal Python error"
"""Python's word before a traceback, innermost call first, on a crash."""

LAST_LINES, LONGEST = 8, 160
"""So many lines of a crashed worker's standard error are shown, cut at this length."""


class ConverterCrash(ExportError):
    """The converter ended its process instead of raising."""


class Worker:
    """One `converter_worker.py`: started when needed, again after a crash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[bytes] | None = None
        self._mark = 0

    @property
    def pid(self) -> int | None:
        """The process's number; None where none runs."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Start the process if none runs, and return while it is still importing."""
        with self._lock:
            self._running()

    def run(self, job: Mapping[str, Any]) -> None:
        """Have a job done.

        Args:
            job: As `converter_worker.convert` takes it.

        Raises:
            ExportError: If the converter raised; a `ConverterCrash` if it ended its
                process.
        """
        with self._lock:
            try:
                process = self._running()
                self._mark = os.fstat(self._said.fileno()).st_size if self._said else 0
                answer = self._ask(process, json.dumps(job))
            except BaseException:  # Ctrl-C: what it works on is wanted no more
                self._end()
                raise
            if answer:
                fields = json.loads(answer)
                if "error" in fields:
                    raise ExportError(f"The converter failed: {fields['error']}")
                return
            raise ConverterCrash(self._crash())

    def stop(self) -> None:
        """End the process, if one runs; the next job starts another."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            # Unnamed and unlimited: a pipe would have to be emptied by a thread.
            self._said = tempfile.TemporaryFile()
            self._process = subprocess.Popen(
                [sys.executable, converter_worker.__file__, *sys.path],
                # The worker is sent Ctrl-C too, and ignores it: see `run`.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=_environment(),
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _ask(self, process: subprocess.Popen[str], line: str) -> str:
        """The answer to a job; empty if the process ended."""
        if process.stdin is None or process.stdout is None:
            return ""
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return ""
        return process.stdout.readline()

    def _crash(self) -> str:
        """How the process ended and what it said, in words."""
        if self._process is None or self._said is None:
            return "The converter's process is gone."
        code = self._process.wait()
        self._said.seek(self._mark)
        last = last_words(self._said.read().decode("utf-8", "replace"))
        self._end()
        return f"The converter {_ending(code)}. Its last lines:\n{last}"

    def _end(self) -> None:
        """Close the process's standard input and see it off."""
        process, self._process = self._process, None
        said, self._said = self._said, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                _close(stream)
        _close(said)

    def _after_fork(self) -> None:
        """In a child that a fork made: the worker is the parent's."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        said, self._said = self._said, None
        if process is not None:
            process.returncode = 0  # not ours to wait for
            for stream in (process.stdin, process.stdout):
                _close(stream)
        _close(said)


WORKER = Worker()
"""The one of this process."""

atexit.register(WORKER.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKER._after_fork)


def job_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for one job, gone at the end of its `with` block."""
    return tempfile.TemporaryDirectory(prefix="keras_kd_", ignore_cleanup_errors=True)


def convert(
    folder: str | os.PathLike[str],
    signatures: Sequence[str],
    samples: Mapping[str, list[dict[str, Any]]] | None = None,
    *,
    optimize: bool = False,
    types: Sequence[str] = (),
    operators: Sequence[str] = (),
    input_type: str = "float32",
    output_type: str = "float32",
) -> bytes:
    """Convert the SavedModel in a job's folder.

    Args:
        folder: Path of the job's folder, which holds the SavedModel `model`.
        signatures: The keys of its signatures that the file is to have.
        samples: Dict from each key to a list of calibration batches by input name.
            Defaults to `None`, no calibration.
        optimize: Boolean. Whether weights are quantized. Defaults to `False`.
        types: Names of the types that weights may have.
        operators: Names in `tf.lite.OpsSet`.
        input_type: Type of float inputs. Defaults to `"float32"`.
        output_type: Type of float outputs. Defaults to `"float32"`.

    Returns:
        The bytes of the .tflite file. With samples, the folder then also holds the
        float file whose ranges are those of their first half.

    Raises:
        ExportError: If the converter fails or crashes.
    """
    folder, given = Path(folder), samples or {}
    for key, batches in given.items():
        converter_worker.write_samples(folder / converter_worker.SAMPLES / key, batches)
    WORKER.run(
        {
            "folder": str(folder),
            "signatures": list(signatures),
            "optimize": optimize,
            "types": list(types),
            "operators": list(operators),
            "input_type": input_type,
            "output_type": output_type,
            "calibrate": {key: len(batches) for key, batches in given.items()},
        }
    )
    return (folder / converter_worker.FILE).read_bytes()


def _environment() -> dict[str, str]:
    """The parent's, without what would cost the worker time or a GPU's memory."""
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def last_words(text: str) -> str:
    """The end of a process's standard error; of a traceback, its innermost lines."""
    lines = [
        line[:LONGEST]
        for line in text.splitlines()
        if line.strip() and not line.startswith("Extension modules")
    ]
    crash = [i for i, line in enumerate(lines) if line.startswith(FATAL)]
    shown = lines[crash[-1] :][:LAST_LINES] if crash else lines[-LAST_LINES:]
    return "\n".join(shown) or "(nothing)"


def _ending(code: int) -> str:
    """A process's exit status in words."""
    if code >= 0:
        return f"ended its process with status {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"was killed ({name}), as happens when memory runs out"
    return f"crashed with {name} ({signal.strsignal(-code)})"


def _close(stream: Any) -> None:
    """Close a stream whose other end may be gone."""
    if stream is not None:
        try:
            stream.close()
        except OSError:
            return
