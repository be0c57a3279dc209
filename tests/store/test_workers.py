"""Several processes label one store; one of them is killed."""

import dataclasses
import json
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from keras_kd.cli.arguments import parser
from keras_kd.cli.label_command import job_of
from keras_kd.store import CutMix, MixUp
from keras_kd.workflow import LabelJob, label_with_workers
from keras_kd.workflow.labelling import workers
from tests.store.labelled import contents, images, network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    network().save(folder / "teacher.keras")
    np.savez(folder / "bare.npz", x=images(160))
    return folder


def job(folder, out, **arguments):
    paths = (folder / "teacher.keras", folder / "bare.npz", out)
    return LabelJob(*map(str, paths), **arguments)


def kill_once(started, out):
    """kill -9 for the first worker, as soon as it has done something."""
    while not any(int(path.stem) % 2 == 0 for path in (out / "done").glob("*.json")):
        time.sleep(0.005)
    os.kill(started[0].pid, signal.SIGKILL)


def test_a_killed_worker_costs_only_its_range(folder, tmp_path, monkeypatch, capsys):
    wanted = {
        "taps": ("output", "body"),
        "batch_size": 2,
        "range_rows": 2,
        "flip": True,
    }
    whole, shared = (job(folder, tmp_path / name, **wanted) for name in ("one", "two"))
    assert whole.run(verbose=0)["complete"]
    started, start = [], workers.Worker._started
    monkeypatch.setattr(
        workers.Worker,
        "_started",
        lambda self: started.append(start(self)) or started[-1],
    )
    killer = threading.Thread(target=kill_once, args=(started, tmp_path / "two"))
    killer.start()
    store = label_with_workers(shared, workers=2)
    killer.join()
    assert len(started) == 3 and started[0].returncode == -signal.SIGKILL
    assert store.rows == 160
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    printed = capsys.readouterr().out
    assert "160 rows (160 examples × 1 view)" in printed
    assert "worker 0 of 2 died by signal 9 (SIGKILL)" in printed
    assert "It is started again" in printed


def played(monkeypatch, code):
    """Workers that are a line of Python."""

    def command(self):
        self._command = [sys.executable, "-c", code]
        return start(self)

    start = workers.Worker._started
    monkeypatch.setattr(workers.Worker, "_started", command)


def test_what_a_worker_refuses_is_said(folder, tmp_path, monkeypatch):
    played(
        monkeypatch,
        "import sys; sys.exit(print('x\\nkeras-kd: error: No.', file=sys.stderr) or 2)",
    )
    with pytest.raises(RuntimeError, match=r"^No\.$"):
        label_with_workers(job(folder, tmp_path / "s"), 2, verbose=0)


def test_a_worker_that_dies_again_and_again(folder, tmp_path, monkeypatch):
    played(monkeypatch, "import os; os.write(2, b'Out of luck\\n'); os._exit(7)")
    with pytest.raises(RuntimeError) as error:
        label_with_workers(job(folder, tmp_path / "s"), 1, restarts=2, verbose=0)
    assert "worker 0 of 1 died by exit code 7: Out of luck" in str(error.value)
    assert "started again 2 times already" in str(error.value)


def test_no_worker_outlives_a_failure(folder, tmp_path, monkeypatch):
    played(monkeypatch, "import time; time.sleep(60)")
    crew, make = [], workers.Worker.__init__

    def noted(self, *arguments):
        crew.append(self)
        make(self, *arguments)

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers.Worker, "__init__", noted)
    monkeypatch.setattr(workers.Watch, "look", stop)
    with pytest.raises(KeyboardInterrupt):
        label_with_workers(job(folder, tmp_path / "s"), 3, verbose=0)
    assert [w.process.returncode for w in crew] == [-signal.SIGTERM] * 3


def test_threads_are_divided(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 8)
    given = [workers.environment(n)["TF_NUM_INTRAOP_THREADS"] for n in (1, 3, 20)]
    assert given == ["8", "2", "1"]


JOBS = [
    {},
    {"part": "all", "image_size": (8, 12), "taps": ("output", "body"), "top_k": 2},
    {"precision": {"output": "float32", "body": "int8"}, "temperature": 2.5},
    {"precision": "float32", "views": 3, "flip": True, "crop": 2, "mixup": 0.2},
    {"cutmix": 1.0, "brightness": 0.1, "engine": "auto", "batch_size": 8, "seed": 5},
    {"int8": True, "range_rows": 64},
]


@pytest.mark.parametrize("arguments", JOBS)
def test_a_job_is_json_and_words(arguments):
    job = LabelJob("t.keras", "digits", "out", **arguments)
    fields = json.loads(json.dumps(dataclasses.asdict(job)))
    assert LabelJob(**fields) == job
    typed = parser().parse_args(["label", *job.words()])
    assert job_of(typed) == job


def test_augmentations_of_jobs():
    def of(**arguments):
        return LabelJob("t.keras", "digits", "out", **arguments).augmentation()

    assert of() is None
    assert of(flip=True, crop=3).crop == 3
    mixed = of(mixup=0.4, flip=True)
    assert isinstance(mixed, MixUp) and mixed.alpha == 0.4 and mixed.augment.flip
    assert isinstance(of(cutmix=1.0), CutMix)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"mixup": 0.1, "cutmix": 1.0}, "mixed in one way"),
        ({"mixup": 0.0}, "`alpha` must be positive"),
        ({"int8": True, "engine": "onnx"}, "engine='litert'"),
        ({"crop": -1}, "`crop`"),
    ],
)
def test_jobs_that_are_none(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        LabelJob("t.keras", "digits", "out", **arguments)
