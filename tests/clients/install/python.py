"""Python clients that want an environment of their own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.clients.install.steps import call
from tests.clients.paths import BUILD


def environment(name: str, *packages: str) -> Path:
    """An environment under `build/clients/<name>/` with these packages.

    Returns:
        Its Python.

    Raises:
        Missing: If pip cannot install them.
    """
    folder = BUILD / name
    python, done = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(packages) + "\n"
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    call([sys.executable, "-m", "venv", str(folder)], "making an environment")
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    call([*pip, *packages], f"pip install {' '.join(packages)}")
    done.write_text(wanted)
    return python
