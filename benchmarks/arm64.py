"""LiteRT on an emulated phone's processor: what it answers, and instructions counted.

    python benchmarks/arm64.py student_int8.tflite [runs]

The processor is a Cortex-A76 (2018), which has dot-product instructions; one of 2012
(Cortex-A53) has none, and `cpu="cortex-a53"` shows the difference. Seconds under
emulation mean nothing; instructions do: they repeat to within a few in a million.

The environment is made once by `python -m tests.clients.install arm64`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "build" / "clients" / "arm64"
ROOT = FOLDER / "root"
SITE = FOLDER / "site"
PYTHON = ROOT / "usr" / "bin" / "python3"
COUNTER = FOLDER / "libcount.so"
GUEST = Path(__file__).with_name("arm64_guest.py")
CPU = "cortex-a76"


def qemu() -> str | None:
    """The emulator: the one that takes plugins if it is there."""
    return shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


def command(
    program: str | os.PathLike[str], *arguments: str, cpu: str = CPU, plugin: str = ""
) -> list[str]:
    """The command that runs an aarch64 program in the emulated root.

    Args:
        program: Path of the program.
        arguments: Its arguments.
        cpu: String. As `qemu-aarch64 -cpu help` lists them. Defaults to
            `"cortex-a76"`.
        plugin: String. Path of a QEMU plugin. Defaults to `""`.

    Raises:
        RuntimeError: If the emulator or the root is not installed.
    """
    emulator = qemu()
    if emulator is None or not PYTHON.exists():
        raise RuntimeError(
            "No arm64 environment: run `python -m tests.clients.install arm64`."
        )
    plugins = ["-plugin", plugin] if plugin else []
    return [
        *(emulator, *plugins, "-cpu", cpu, "-L", str(ROOT)),
        *("-E", f"PYTHONPATH={SITE}", "-E", "PYTHONHASHSEED=0"),
        *(os.fspath(program), *arguments),
    ]


def instructions(path: str | os.PathLike[str], runs: int = 20, cpu: str = CPU) -> float:
    """Instructions that one inference executes, on one thread.

    Args:
        path: A `.tflite` file; its inputs are zeros and ones.
        runs: Integer. Inferences to average over. Defaults to `20`.
        cpu: String. The emulated processor. Defaults to `"cortex-a76"`.

    Returns:
        A float; what Python spends on the call itself is taken off.

    Raises:
        RuntimeError: If the environment lacks, cannot count, or refuses the file.

    Example:

    ```python
    instructions("student_int8.tflite") / instructions("student_float32.tflite")
    ```
    """
    if not COUNTER.exists():
        raise RuntimeError(
            "No instruction counter: run `python -m tests.clients.install arm64` "
            "with gcc and a QEMU that takes plugins (Debian's qemu-user)."
        )
    arguments = (str(GUEST), os.path.abspath(path), str(runs))
    done = run(command(PYTHON, *arguments, cpu=cpu, plugin=str(COUNTER)))
    totals = [int(n) for n in re.findall(r"^instructions: (\d+)$", done.stderr, re.M)]
    if done.returncode or len(totals) != 4:
        raise RuntimeError(f"No count of {os.fspath(path)!r}: {done.stderr[-500:]}")
    before, after, idle_before, idle_after = totals
    return (after - before - (idle_after - idle_before)) / runs


def run(
    command: Sequence[str], timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run to the end, with what was printed as text."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False
    )


if __name__ == "__main__":
    counted = instructions(sys.argv[1], *map(int, sys.argv[2:3]))
    print(f"{counted:,.0f} instructions per inference on {CPU}")
