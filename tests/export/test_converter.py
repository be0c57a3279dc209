"""The converter's process: kept, watched, mourned and replaced."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from keras_kd.export import ExportError, export_tflite
from keras_kd.export.tflite import conversion, converter, converter_worker
from keras_kd.export.tflite.converter import WORKER, last_words
from tests.export.students import cnn, data_for, recurrent


def gone(pid):
    """Whether no process of that number is left, not even a zombie of ours."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def no_traces(tmp_path, monkeypatch):
    """A folder for files; none of a job's is left beside it."""
    jobs, files = tmp_path / "jobs", tmp_path / "files"
    jobs.mkdir()
    files.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(jobs))
    yield files
    assert not list(jobs.glob("keras_kd_*"))  # autograph keeps files of its own


def when_asked(monkeypatch, pid, number):
    """Stop the worker, and send a signal shortly after it is asked for a file."""
    WORKER.start()
    os.kill(WORKER.pid, signal.SIGSTOP)  # it would never answer
    ask, target = WORKER._ask, pid or WORKER.pid

    def asked(*arguments):
        threading.Timer(0.1, os.kill, (target, number)).start()
        return ask(*arguments)

    monkeypatch.setattr(WORKER, "_ask", asked)
    return WORKER.pid


def test_a_process_killed_at_work_is_told_as_such(no_traces, monkeypatch):
    pid = when_asked(monkeypatch, None, signal.SIGKILL)
    with pytest.raises(ExportError, match=r"killed \(SIGKILL\).*memory runs out"):
        export_tflite(cnn(), no_traces / "s.tflite")
    assert gone(pid) and not list(no_traces.iterdir())


@pytest.fixture
def heard():
    """Ctrl-C is heard, also where a shell in the background has told us not to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_the_wait_and_the_work(no_traces, monkeypatch):
    pid = when_asked(monkeypatch, os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        export_tflite(cnn(), no_traces / "s.tflite")
    assert gone(pid) and WORKER.pid is None and not list(no_traces.iterdir())


def test_a_process_killed_at_rest_is_replaced_unseen(no_traces):
    WORKER.start()
    pid = WORKER.pid
    os.kill(pid, signal.SIGKILL)
    WORKER._process.wait(10)
    export_tflite(cnn(), no_traces / "s.tflite")
    assert WORKER.pid not in (None, pid) and gone(pid)


def test_one_process_serves_many_exports(no_traces):
    export_tflite(cnn(), no_traces / "a.tflite")
    first = WORKER.pid
    start = time.perf_counter()
    export_tflite(cnn(), no_traces / "b.tflite")
    assert WORKER.pid == first
    assert time.perf_counter() - start < 5  # far less than TensorFlow's import


def test_threads_take_turns(no_traces):
    model, failed = cnn(), []

    def export(name):
        try:
            export_tflite(model, no_traces / f"{name}.tflite", "float32")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=export, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({(no_traces / f"{i}.tflite").stat().st_size for i in range(3)}) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_touch_its_parents_process(no_traces):
    WORKER.start()
    pid = WORKER.pid
    child = os.fork()
    if child == 0:
        os._exit(0 if WORKER.pid is None and not WORKER._lock.locked() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert WORKER.pid == pid
    export_tflite(cnn(), no_traces / "s.tflite")
    assert WORKER.pid == pid


def test_the_process_ends_with_its_parent_and_takes_its_folder(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, converter_worker.__file__, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # The pipe closes as it does when the parent is killed, with a job under way.
    process.communicate(json.dumps({"folder": str(folder)}).encode() + b"\n", 20)
    assert process.returncode == 0 and not folder.exists()


def test_the_process_has_tensorflow_alone():
    code = (
        "import runpy, sys; worker = runpy.run_path(sys.argv[1]);"
        "worker['import_tensorflow']().lite.TFLiteConverter;"
        "print([n for n in sys.modules if n.startswith(('keras_kd', 'keras.src'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, converter_worker.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_samples_of_different_sizes_travel(tmp_path):
    import numpy as np

    batches = [
        {"b": np.arange(size, dtype="int32")[None], "a": np.full((1, size), 0.5)}
        for size in (3, 5, 4)
    ]
    converter_worker.write_samples(tmp_path / "s", batches)
    found = list(converter_worker.read_samples(tmp_path / "s"))
    assert [b["b"].shape for b in found] == [(1, 3), (1, 5), (1, 4)]
    np.testing.assert_array_equal(found[1]["b"], batches[1]["b"])
    assert found[0]["b"].dtype == "int32"


def test_last_words_are_the_innermost_and_few():
    text = "\n".join(["chatter"] * 30 + ["Fatal Python error: x", "  File inner"])
    assert last_words(f"{text}\nExtension modules: {'m' * 999}").splitlines() == [
        "Fatal Python error: x",
        "  File inner",
    ]
    assert len(last_words("\n".join("x" * 500 for _ in range(50)))) < 1500
    assert last_words("") == "(nothing)"


def test_a_stopped_worker_can_be_stopped_again():
    with contextlib.ExitStack() as stack:
        worker = converter.Worker()
        stack.callback(worker.stop)
        worker.stop()
        worker.start()
        pid = worker.pid
        worker.stop()
        worker.stop()
        assert worker.pid is None and gone(pid)


def test_a_real_crash_is_an_error_with_signal_reason_and_way_out(
    no_traces, monkeypatch
):
    monkeypatch.setattr(conversion, "refuse_loops", lambda *arguments: None)
    model = recurrent()
    export_tflite(model, no_traces / "s.tflite", "float32")
    crashed = WORKER.pid
    with pytest.raises(ExportError) as caught:
        export_tflite(model, no_traces / "q.tflite", "int8", data_for(model))
    sentence = str(caught.value)
    assert "crashed with SIGSEGV" in sentence and "calibrat" in sentence
    assert "recipe='dynamic_int8' may convert" in sentence
    assert gone(crashed) and WORKER.pid is None
    assert not (no_traces / "q.tflite").exists()
    export_tflite(model, no_traces / "q.tflite", "dynamic_int8")
    assert WORKER.pid not in (None, crashed)
