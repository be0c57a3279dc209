"""Install the other backends of Keras's, and run the contracts on them, side by side.

    python -m tests.backends.run [jax torch]

TensorFlow first writes what the others are held to. A backend that cannot be
installed is left out, and the reason is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.backends.install import BACKENDS, BUILD, install
from tests.clients.install.web import Missing

REFERENCE = BUILD / "reference.pickle"
TESTS = str(Path(__file__).parent)
# Most of JAX's time goes into compiling single operations: they are kept.
COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": str(BUILD / "jax_compiled"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def main(names: list[str]) -> int:
    reference = [sys.executable, "-m", "tests.backends.reference", str(REFERENCE)]
    subprocess.run(reference, check=True)
    running, lines = {}, []
    for name in names or BACKENDS:
        try:
            running[name] = start(install(name), name)
        except Missing as missing:
            lines.append(f"{name}: left out, {missing}")
        else:
            print(f"{name}: running, all it says is in {log(name)}", flush=True)
    begin, worst = time.monotonic(), 0
    for name, process in running.items():
        status = process.wait()
        worst = max(worst, status)
        print(f"== {name} ==\n{log(name).read_text()}")
        outcome = "passed" if status == 0 else f"failed with {status}"
        lines.append(f"{name}: {outcome}, {time.monotonic() - begin:.0f} s")
    print("\n".join(lines))
    return worst


def start(python: Path, name: str) -> subprocess.Popen:
    command = [str(python), "-m", "pytest", "-m", "backend", TESTS, "-q"]
    environment = {**os.environ, **COMPILED, "KERAS_BACKEND": name}
    with log(name).open("w") as said:
        return subprocess.Popen(
            [*command, "-p", "no:cacheprovider"],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def log(name: str) -> Path:
    return BUILD / f"{name}.txt"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
