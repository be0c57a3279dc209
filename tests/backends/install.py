"""JAX and PyTorch, each in an environment of its own under `build/backends/`.

An environment sees everything that this one has, and adds the backend alone: `.venv`
stays as it is.
"""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.backends.placeholders import put_in_place_of_cuda
from tests.clients.install.steps import call

BUILD = Path(__file__).resolve().parents[2] / "build" / "backends"
BACKENDS = ("jax", "torch")
HERE = sysconfig.get_path("purelib")
# What torch asks for beside its CUDA libraries.
REQUIRED = """
import importlib.metadata as metadata
from packaging.requirements import Requirement
for line in metadata.requires("torch"):
    r = Requirement(line)
    if r.marker is None or r.marker.evaluate({"extra": ""}):
        print(r.name + str(r.specifier))
"""
OF_CUDA = re.compile(r"(nvidia|cuda|triton)", re.IGNORECASE)


def install(backend: str) -> Path:
    """The Python under `build/backends/<backend>/`; what is there already is kept.

    Raises:
        Missing: If pip cannot install the backend, or it does not start.
    """
    folder = BUILD / backend
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        call([sys.executable, "-m", "venv", str(folder)], "making an environment")
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "beside.pth").write_text(f"import site; site.addsitedir({HERE!r})\n")
        jax(python) if backend == "jax" else torch(python, site)
        call([str(python), "-c", f"import {backend}"], f"import {backend}")
        done.touch()
    return python


def jax(python: Path) -> None:
    pip(python, "jax>=0.5")


def torch(python: Path, site: Path) -> None:
    """PyTorch without CUDA's libraries, which are four times its own size.

    Where the wheel was built for CUDA, placeholders stand in for them.
    """
    pip(python, "--no-deps", "torch>=2.5")
    wanted = call([str(python), "-c", REQUIRED], "reading what torch requires")
    pip(python, *(line for line in wanted.splitlines() if not OF_CUDA.match(line)))
    if list(site.glob("torch/lib/libtorch_cuda.so")):
        put_in_place_of_cuda(site / "torch" / "lib")


def pip(python: Path, *packages: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *packages]
    call(command, f"pip install {' '.join(packages)}")
