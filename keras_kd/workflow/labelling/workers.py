"""Several processes of one machine that label one store, each its own shard.

A worker is `keras-kd label … --shard i/N`: nothing passes between it and this process
but the store itself. One that dies has lost the range it was in, and is started again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_kd.engines.engine import cores
from keras_kd.store.labelling.estimate import outlook
from keras_kd.store.labelling.progress import Progress, duration
from keras_kd.store.layout import CHECKSUMS, DONE, MANIFEST
from keras_kd.store.manifest import Manifest
from keras_kd.store.stored import StoredTeacher
from keras_kd.validation import positive_int
from keras_kd.workflow.labelling.job import LabelJob

POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
REFUSED = 2
"""The exit code of a worker that said why it cannot go on."""
SAID = "keras-kd: error: "


class Worker:
    """One process, and the ones that take its place.

    Args:
        job: the `LabelJob`.
        index: int, its shard.
        count: int, how many workers there are.
    """

    def __init__(self, job: LabelJob, index: int, count: int):
        self.name = f"worker {index} of {count}"
        self.deaths = 0
        self._index, self._count = index, count
        shard = ["--shard", f"{index}/{count}", "--quiet"]
        self._command = [sys.executable, "-m", "keras_kd", "label", *job.words()]
        self._command += shard
        self._errors = tempfile.TemporaryFile()
        self.process = self._started()

    def start_again(self) -> None:
        """A new process in the place of the one that died."""
        self._errors.seek(0)
        self._errors.truncate()
        self.process = self._started()

    def last_words(self) -> str:
        """The last line that it wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1].removeprefix(SAID) if said else ""

    def stop(self) -> None:
        """End the process, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._errors.close()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=environment(self._count),
        )
        _pin(process.pid, self._index, self._count)
        return process


def label_with_workers(
    job: LabelJob, workers: int = 2, restarts: int = 3, verbose: int = 1
) -> StoredTeacher:
    """Label a store by several processes of this machine.

    The store has the bytes that one process would have written, as far as the
    engine's arithmetic does not depend on how many threads it has: the machine's cores
    are divided among the workers.

    Args:
        job: a `LabelJob`.
        workers: int. Defaults to 2.
        restarts: int, how many times each worker is started again when it dies.
            Defaults to 3.
        verbose: int, 0 for silence. Defaults to 1.

    Returns:
        The finished `StoredTeacher`.

    Raises:
        RuntimeError: where a worker refuses to go on, in its words, or dies too often;
            what is done stays done.

    Example:

    ```python
    from keras_kd.workflow import LabelJob

    job = LabelJob("teacher.keras", "digits", "targets", top_k=3)
    # store = label_with_workers(job, workers=4)
    ```
    """
    positive_int("workers", workers)
    watch = Watch(Path(job.out), verbose)
    with _stopped_at_the_end() as crew:
        for index in range(workers):
            crew.append(Worker(job, index, workers))
        running = list(crew)
        while running:
            time.sleep(POLL_SECONDS)
            for worker in list(running):
                code = worker.process.poll()
                if code == 0:
                    running.remove(worker)
                elif code is not None:
                    _take_care(worker, code, restarts, watch)
            watch.look()
    watch.end()
    return StoredTeacher(job.out, check=False)


class Watch:
    """The joint progress of all who label a store, seen by its done marks.

    Args:
        folder: Path of the store, which need not be there yet.
        verbose: int, 0 for silence.
    """

    def __init__(self, folder: Path, verbose: int = 1):
        self.folder, self.verbose = folder, int(verbose)
        self.manifest: Manifest | None = None
        self._before = self._marks()
        self._seen: set[int] = set()
        self._progress = Progress(0, verbose=verbose)

    def look(self) -> None:
        """Count what is new, and show it."""
        if self.manifest is None:
            if not (self.folder / MANIFEST).is_file():
                return
            with contextlib.suppress(ValueError):
                self._begin(Manifest.read(self.folder))
        if self.manifest is None:
            return
        new = self._marks() - self._seen
        if new:
            self._seen |= new
            rows_of = self.manifest.layout.rows_of
            self._progress.add(sum(len(rows_of(number)) for number in new))

    def say(self, text: str) -> None:
        """A line of its own."""
        self._progress.say(text)

    def end(self) -> dict[str, Any]:
        """Look for the last time, and tell the rate."""
        self.look()
        found = self._progress.end()
        self.say(
            f"{found['rows']:,} rows in {duration(found['seconds'])}, "
            f"{found['rows_per_second']:,.0f} rows/s; {self.folder} is whole."
        )
        return found

    def _begin(self, manifest):
        self.manifest = manifest
        layout = manifest.layout
        self._seen = {n for n in self._before if n < layout.ranges}
        kept = sum(len(layout.rows_of(number)) for number in self._seen)
        self._progress = Progress(layout.rows, kept, self.verbose)
        self.say(outlook(self.folder, manifest))
        if kept:
            done = f"{len(self._seen)} of {layout.ranges} ranges are done"
            self.say(f"    going on: {done}")

    def _marks(self) -> set[int]:
        if (self.folder / CHECKSUMS).is_file():
            if self.manifest is None:
                with contextlib.suppress(OSError, ValueError):
                    return set(range(Manifest.read(self.folder).layout.ranges))
                return set()
            return set(range(self.manifest.layout.ranges))
        with contextlib.suppress(OSError):
            names = os.listdir(self.folder / DONE)
            return {int(name[:-5]) for name in names if name[:-5].isdigit()}
        return set()


def environment(workers: int) -> dict[str, str]:
    """A worker's environment: a share of the threads, and a quiet TensorFlow."""
    threads = str(max(1, cores() // workers))
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }


def _pin(process: int, index: int, workers: int) -> None:
    """Give a worker its own share of the cores, from which pools take their size."""
    if not hasattr(os, "sched_setaffinity"):
        return
    own = sorted(os.sched_getaffinity(0))
    each = len(own) // workers
    if each:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(process, own[index * each : (index + 1) * each])


def _take_care(worker: Worker, code: int, restarts: int, watch: Watch) -> None:
    """Start a dead worker again; give up where it refused, or died too often."""
    said = worker.last_words()
    if code == REFUSED:
        raise RuntimeError(said or f"{worker.name} refused to go on.")
    worker.deaths += 1
    how = f"signal {-code} ({_name(-code)})" if code < 0 else f"exit code {code}"
    died = f"{worker.name} died by {how}" + (f": {said}" if said else "")
    if worker.deaths > restarts:
        raise RuntimeError(
            f"{died}. It was started again {restarts} times already; what is done is "
            "kept."
        )
    watch.say(f"    {died}. It is started again, and labels its range anew.")
    worker.start_again()


def _name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


@contextlib.contextmanager
def _stopped_at_the_end() -> Iterator[list[Worker]]:
    """A list of workers of which none outlives the block."""
    crew: list[Worker] = []
    try:
        yield crew
    finally:
        for worker in crew:
            if worker.process.poll() is None:
                worker.process.terminate()
        for worker in crew:
            worker.stop()
