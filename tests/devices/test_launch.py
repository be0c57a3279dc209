"""`keras-kd launch`: processes that start, end and start again together."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from keras_kd.cli import group, main
from tests.replicas import LAUNCH

HEADER = """
import json, os, signal, sys, time
task = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
def first_time(mark):
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False
"""


def launched(folder, text, *arguments, options=("--workers", "2"), **environment):
    """A running `keras-kd launch` of a script of this text."""
    script = folder / "script.py"
    script.write_text(HEADER + text, encoding="utf-8")
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *options, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | environment,
    )


def ended(process):
    """`(exit code, lines, errors)`."""
    out, errors = process.communicate(timeout=60)
    return process.returncode, sorted(out.splitlines()), errors


def test_each_worker_knows_its_place_and_what_it_was_given(tmp_path):
    text = "print(task, sys.argv[1:], len(set(json.loads(os.environ['TF_CONFIG'])"
    text += "['cluster']['worker'])), 'tensorflow' in sys.modules)"
    code, lines, errors = ended(launched(tmp_path, text, "--epochs", 3))
    assert (code, errors) == (0, "")
    assert lines == [
        "[worker 0] 0 ['--epochs', '3'] 2 False",
        "[worker 1] 1 ['--epochs', '3'] 2 False",
    ]


def test_the_whole_group_starts_again_where_one_dies(tmp_path):
    text = """
print("up")
while task == 1 and not os.path.exists(f"{sys.argv[1]}.0"):
    time.sleep(0.01)
if task == 1 and first_time(sys.argv[1]):
    first_time(f"{sys.argv[1]}.{task}")
    os.kill(os.getpid(), signal.SIGKILL)
if not first_time(f"{sys.argv[1]}.{task}"):
    sys.exit(0)
time.sleep(600)
"""
    # The first worker of the first attempt would sleep on: it is ended.
    code, lines, errors = ended(launched(tmp_path, text, tmp_path / "mark"))
    assert code == 0
    assert lines.count("[worker 1] up") == 2
    assert "worker 1 died by SIGKILL: the whole group starts again (1 of 3)." in errors


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("sys.exit(7)", 7, "ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "died by SIGKILL"),
    ],
    ids=["exit", "kill"],
)
def test_the_exit_code_is_the_scripts(tmp_path, text, code, told):
    options = ["--workers", "1", "--restarts", "1"]
    found, _, errors = ended(launched(tmp_path, text, options=options))
    assert found == code
    assert f"worker 0 {told}: the whole group starts again (1 of 1)." in errors
    assert f"worker 0 {told}: the group has ended." in errors


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str
)
def test_a_signal_ends_all_and_what_they_started(tmp_path, number, code):
    text = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
deaf = task and sys.argv[2:] == ["deaf"]
signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else signal.SIG_DFL)
with open(f"{sys.argv[1]}.{task}", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(f"{sys.argv[1]}.{task}", f"{sys.argv[1]}_{task}")
time.sleep(600)
"""
    # One that does not listen is forced, after ten seconds: once is enough.
    deaf = ["deaf"] if number == signal.SIGTERM else []
    process = launched(tmp_path, text, tmp_path / "pids", *deaf)
    files = [tmp_path / f"pids_{task}" for task in (0, 1)]
    wait_for(lambda: all(file.exists() for file in files))
    process.send_signal(number)
    assert ended(process)[0] == code
    pids = [int(pid) for file in files for pid in file.read_text().split()]
    wait_for(lambda: not any(running(pid) for pid in pids))


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def running(pid):
    """Whether a process runs; one that only waits to be counted does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_worker_of_a_group_on_several_machines(tmp_path):
    task = {"type": "worker", "index": 1}
    config = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task})
    process = launched(tmp_path, "print(task)", options=(), TF_CONFIG=config)
    assert ended(process)[:2] == (0, ["[worker 1] 1"])


def test_gpus_that_are_named_are_shared_out(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    given = group.environments(2)
    devices = [given[f"worker {i}"]["CUDA_VISIBLE_DEVICES"] for i in (0, 1)]
    assert devices == ["0,1", "2,3"]


def test_refusals_are_one_sentence(tmp_path, monkeypatch, capfd):
    script = tmp_path / "script.py"
    script.write_text("", encoding="utf-8")

    def said(*words):
        assert main(["launch", *map(str, words)]) == 2
        return capfd.readouterr().err

    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert "pass `--workers N`, or set TF_CONFIG." in said(script)
    assert "`workers` must be a positive integer. Received: workers=0." in said(
        "--workers", 0, script
    )
    assert "`restarts` must be 0 or more. Received: restarts=-1." in said(
        "--workers", 1, "--restarts", -1, script
    )
    assert "There is no script 'nowhere.py'." in said("--workers", 1, "nowhere.py")
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert "leave one of them out. Received: --workers 2." in said(
        "--workers", 2, script
    )
    assert "TF_CONFIG must be JSON with the 'task' of this worker" in said(script)
