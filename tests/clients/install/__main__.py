"""Install the clients under `build/clients/`: all, or those named.

    python -m tests.clients.install [arm64 capi ...]

A client is a file of this folder with a function `install()`. What cannot be had is
said and left out: its tests are skipped with the same reason.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.clients.install.web import Missing


def clients() -> list[str]:
    """The files of this folder that install something."""
    here = Path(__file__).parent
    files = sorted(here.glob("[a-z]*.py"))
    return [f.stem for f in files if "\ndef install(" in f.read_text()]


def main(names: list[str]) -> None:
    for name in names or clients():
        module = importlib.import_module(f"tests.clients.install.{name}")
        try:
            where = module.install()
        except Missing as missing:
            print(f"{name}: left out, {missing}")
        else:
            print(f"{name}: {where}")


if __name__ == "__main__":
    main(sys.argv[1:])
