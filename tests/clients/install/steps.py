"""Why a client cannot be had, and packages that only the system has."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.clients.install.web import Missing


def need(*programs: str, packages: str) -> None:
    """Have Debian packages installed where a program lacks, if root may do so.

    Args:
        programs: Names of commands that must be there.
        packages: Debian packages that bring them, apart by spaces.

    Raises:
        Missing: If a program lacks and cannot be installed.
    """
    if lacking(programs) and shutil.which("apt-get") and os.geteuid() == 0:
        apt("update", "-qq")
        apt("install", "-y", "-qq", "--no-install-recommends", *packages.split())
    left = lacking(programs)
    if left:
        raise Missing(f"no {', '.join(left)}: apt install {packages}")


def lacking(programs: tuple[str, ...]) -> list[str]:
    """Those that are not on the path."""
    return [name for name in programs if shutil.which(name) is None]


def apt(*arguments: str) -> None:
    """Call apt-get; what it failed at shows in what is still lacking."""
    subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        check=False,
    )


def call(command: list[str], what: str, **options) -> str:
    """Run a step of an installation.

    Returns:
        What it printed.

    Raises:
        Missing: If it fails, with the last line that it said.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason").splitlines()
        raise Missing(f"{what} failed: {said[-1]}")
    return done.stdout
