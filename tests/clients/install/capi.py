"""TensorFlow Lite's C API: a library out of a wheel, and a program compiled to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks import arm64
from tests.clients.install import arm64 as emulated
from tests.clients.install.steps import call, need
from tests.clients.paths import BUILD, DOWNLOADS

PACKAGE = "pymicro-wakeword==2.5.0"
"""Its wheels, for many machines, carry `libtensorflowlite_c.so`."""
LIBRARY = "libtensorflowlite_c.so"
SOURCE = Path(__file__).parents[1] / "drivers" / "capi.c"


def install() -> list[str]:
    """The command that starts the program on this machine.

    Raises:
        Missing: If gcc or the wheel cannot be had.
    """
    need("gcc", packages="gcc libc6-dev")
    return [str(compiled("gcc", "x86_64"))]


def install_arm64() -> list[str]:
    """The command that starts the program for arm64 in the emulated root.

    Raises:
        Missing: If the cross compiler, the root or the wheel cannot be had.
    """
    emulated.install()
    packages = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    need("aarch64-linux-gnu-gcc", packages=packages)
    return arm64.command(compiled("aarch64-linux-gnu-gcc", "aarch64"))


def compiled(compiler: str, machine: str) -> Path:
    """Compile `capi.c` against the library of a machine, whose folder it remembers."""
    folder = BUILD / f"capi_{machine}"
    library, program = folder / LIBRARY, folder / "capi"
    folder.mkdir(parents=True, exist_ok=True)
    if not library.exists():
        extract(wheel(machine), library)
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", str(SOURCE)]
    command += ["-o", str(program), str(library), f"-Wl,-rpath,{folder}"]
    # The library finds the rest of what it needs where it runs, not here.
    call([*command, "-Wl,--allow-shlib-undefined"], f"compiling {SOURCE.name}")
    return program


def wheel(machine: str) -> Path:
    """The package's wheel for a machine."""
    target = DOWNLOADS / "capi" / machine
    if not list(target.glob("*.whl")):
        emulated.download([PACKAGE], target, machine=machine)
    return next(target.glob("*.whl"))


def extract(wheel: Path, library: Path) -> None:
    """The library alone, out of a wheel."""
    part = library.with_name("wheel.part")
    shutil.unpack_archive(wheel, part, "zip")
    shutil.copy(next(part.rglob(LIBRARY)), library)
    shutil.rmtree(part)
