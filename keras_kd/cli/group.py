"""Processes that train together: started together, ended and started again together.

A worker of a group cannot go on without the others, nor take one back. So where one
dies all are stopped, and all start anew; what their script kept, it goes on from.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_kd.validation import positive_int

POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
STOPPED, TERMINATED = 130, 143


class Terminated(Exception):
    """This process was asked to end."""


def launch_group(
    script: str,
    arguments: Sequence[str] = (),
    workers: int | None = None,
    restarts: int = 3,
) -> int:
    """Run a script in each of several workers until all have ended well.

    Args:
        script: path of a Python file, which asks `keras_kd.replicas.strategy()`.
        arguments: what it is given.
        workers: int, the processes, all on this machine. Defaults to None: this
            machine's one, as `TF_CONFIG` in the environment has it.
        restarts: int, how many times the group is started again when one of it
            dies. Defaults to 3.

    Returns:
        0, or the exit code of the first worker that died in the last attempt, where a
        signal counts as 128 and its number; 130 after Ctrl-C, 143 after SIGTERM.

    Raises:
        ValueError: with neither workers nor `TF_CONFIG`, or with both.
        FileNotFoundError: where the script is not there.
    """
    if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 0:
        raise ValueError(
            f"`restarts` must be 0 or more. Received: restarts={restarts!r}."
        )
    if not Path(script).is_file():
        raise FileNotFoundError(f"There is no script {script!r}.")
    command = [sys.executable, script, *arguments]
    try:
        with _ending_at_sigterm():
            for attempt in range(restarts + 1):
                name, code = _run(command, environments(workers))
                if not code:
                    return 0
                told = f"{name} {_how(code)}"
                if attempt < restarts:
                    count = f"{attempt + 1} of {restarts}"
                    _say(f"{told}: the whole group starts again ({count}).")
            _say(f"{told}: the group has ended.")
            return code if code > 0 else 128 - code
    except KeyboardInterrupt:
        _say("stopped, and all workers with it.")
        return STOPPED
    except Terminated:
        _say("terminated, and all workers with it.")
        return TERMINATED


def environments(workers: int | None) -> dict[str, dict[str, str]]:
    """What each worker that is started here finds in its environment.

    Args:
        workers: int, or None for the one that `TF_CONFIG` tells of.

    Returns:
        Dict from the workers' names to their environments.
    """
    given = os.environ.get("TF_CONFIG")
    if workers is None:
        if not given:
            raise ValueError(
                "Nothing says how many workers there are: pass `--workers N`, or set "
                "TF_CONFIG."
            )
        return {_name_of(given): {**os.environ, "PYTHONUNBUFFERED": "1"}}
    if given:
        raise ValueError(
            "`--workers` starts a group on this machine, and TF_CONFIG names another "
            f"one: leave one of them out. Received: --workers {workers}."
        )
    addresses = [
        f"127.0.0.1:{port}" for port in free_ports(positive_int("workers", workers))
    ]
    return {
        f"worker {index}": {
            **os.environ,
            **_share_of_machine(index, workers),
            "PYTHONUNBUFFERED": "1",
            "TF_CONFIG": json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                }
            ),
        }
        for index in range(workers)
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _name_of(tf_config):
    try:
        task = json.loads(tf_config)["task"]
        return f"{task['type']} {task['index']}"
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            "TF_CONFIG must be JSON with the 'task' of this worker, such as "
            f'{{"type": "worker", "index": 0}}. Received: {tf_config!r}.'
        ) from None


def _share_of_machine(index: int, workers: int) -> dict[str, str]:
    """A worker's part of the cores, and of the GPUs that are named."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    share = {
        name: os.environ.get(name, threads)
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    }
    gpus = [g for g in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if g]
    each = len(gpus) // workers
    if each:
        share["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[index * each :][:each])
    return share


class Member:
    """One worker's process, and the thread that passes on what it prints.

    Args:
        name: str, which stands before its lines.
        command: list of strings.
        environment: dict.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]):
        self.name = name
        # A session of its own: Ctrl-C comes to this process, which ends the others
        # with all that they have started.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def signal(self, number: int) -> None:
        """Send a signal to the process and to what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def end(self, deadline: float) -> None:
        """Wait until it has ended; force it once the deadline is over."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        self.signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join(1.0)

    def _pass_on(self) -> None:
        lines: Any = self.process.stdout
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\n")
            with contextlib.suppress(OSError, ValueError):
                # In one piece, for the others print as well.
                sys.stdout.write(f"[{self.name}] {text}\n")
                sys.stdout.flush()


def _run(command, environments) -> tuple[str, int]:
    """One attempt: the first worker that died and its exit code, or 0."""
    members: list[Member] = []
    try:
        for name, environment in environments.items():
            members.append(Member(name, command, environment))
        running = list(members)
        while running:
            time.sleep(POLL_SECONDS)
            codes = {member: member.process.poll() for member in running}
            # One that was killed tells more than those who miss it.
            dead = sorted((code, m.name) for m, code in codes.items() if code)
            if dead:
                return dead[0][1], dead[0][0]
            running = [member for member, code in codes.items() if code is None]
        return "", 0
    finally:
        with _undisturbed():
            for member in members:
                member.signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for member in members:
                member.end(deadline)


def _how(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"died by {signal.Signals(-code).name}"
    return f"died by signal {-code}"


@contextlib.contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """SIGTERM as an exception, so that the workers are ended as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without signals, while workers are ended: a second Ctrl-C leaves none behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(f"keras-kd: {text}", file=sys.stderr, flush=True)
