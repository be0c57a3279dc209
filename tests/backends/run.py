"""Install the other backends of Keras's, and run the contracts on each.

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

from tests.backends.install import BACKENDS, BUILD, Missing, install

REFERENCE = BUILD / "reference.pickle"
TESTS = str(Path(__file__).parent)


def main(names: list[str]) -> int:
    reference = [sys.executable, "-m", "tests.backends.reference", str(REFERENCE)]
    subprocess.run(reference, check=True)
    lines, worst = [], 0
    for name in names or BACKENDS:
        print(f"== {name} ==", flush=True)
        begin = time.monotonic()
        try:
            python = install(name)
        except Missing as missing:
            lines.append(f"{name}: left out, {missing}")
            continue
        command = [str(python), "-m", "pytest", "-m", "backend", TESTS, "-q"]
        environment = {**os.environ, "KERAS_BACKEND": name}
        status = subprocess.run(command, env=environment, check=False).returncode
        worst = max(worst, status)
        outcome = "passed" if status == 0 else f"failed with {status}"
        lines.append(f"{name}: {outcome} in {time.monotonic() - begin:.0f} s")
    print("\n".join(lines))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
