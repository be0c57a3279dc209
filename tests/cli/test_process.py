"""The command as a process: warnings, Ctrl-C, what it imports."""

import importlib.metadata
import os
import pathlib
import signal
import subprocess
import sys
import time
import warnings

from keras_kd import export
from keras_kd.cli import commands
from tests.cli.words import distill, report_in


def test_a_warning_is_one_line(call, monkeypatch):
    def warn(arguments, typed):
        warnings.simplefilter("always")
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setitem(commands.COMMANDS, "taps", warn)
    assert call("taps", "x.keras") == (0, "", "keras-kd: warning: two lines\n")


def test_ctrl_c_tells_what_was_kept(call, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export_tflite", stop)
    out = tmp_path / "out"
    code, _, said = call(*distill(out, "--no-baseline", "--recipes", "int8"))
    assert code == 130
    assert f"stopped. In {out} are kept: report.html, report.json" in said
    assert "student.keras" in said
    report = report_in(out)
    assert report["missing"] == ["export int8"]
    assert "Not finished" in (out / "report.html").read_text()


def test_ctrl_c_before_anything(call, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_data", stop)
    code, _, said = call(*distill("nowhere"))
    assert (code, said) == (130, "keras-kd: stopped. Nothing was written.\n")


# A test run may be deaf to Ctrl-C, as a shell without job control makes its background
# jobs, or hold it back, and hands that down: the terminal's own state comes first.
AS_IN_A_TERMINAL = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
sys.argv[0] = "keras-kd"
runpy.run_module("keras_kd", run_name="__main__")
"""


def test_ctrl_c_in_a_terminal(folder, tmp_path):
    out = tmp_path / "out"
    argv = distill(str(out), "--epochs", "100000")
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_TERMINAL, *argv],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        end = time.monotonic() + 100
        while "teacher" not in report_in(out) and time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "student" in printed
    assert f"stopped. In {out} are kept: report.html, report.json" in said
    assert "Traceback" not in said
    report = report_in(out)
    assert "student" in report["missing"] and report["teacher"]["name"] == "wide"


def test_the_installed_command():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="keras-kd")
    assert entry.value == "keras_kd.cli:main"
    command = pathlib.Path(sys.executable).parent / "keras-kd"
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    version = importlib.metadata.version("keras-kd")
    assert (done.returncode, done.stdout) == (0, f"keras-kd {version}\n")


def test_help_imports_nothing_heavy():
    """The installed command: its own help before keras, TensorFlow or numpy."""
    code = """
import sys
sys.argv = ["keras-kd", "distill", "--help"]
from keras_kd.cli import main
try:
    main()
except SystemExit as stopped:
    assert not stopped.code
heavy = {"keras", "tensorflow", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--labelled" in done.stdout


def test_the_command_keeps_tensorflow_quiet(tmp_path):
    command = pathlib.Path(sys.executable).parent / "keras-kd"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [command, "taps", tmp_path / "none.keras"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("keras-kd: error: There is no file")
    assert len(done.stderr.splitlines()) == 1
