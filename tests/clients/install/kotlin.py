"""The Kotlin compiler from npm, for the Android sample without an Android SDK."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.clients.install.web import Missing, npm_install
from tests.clients.paths import BUILD

VERSION = "2.4.20"
JDK = 17


class Kotlin(NamedTuple):
    """The Java commands and the compiler's jars."""

    java: str
    javac: str
    lib: Path


def install() -> Kotlin:
    """Java of this machine, and the compiler under `build/clients/kotlin/`.

    Raises:
        Missing: If a JDK of version 17 or newer or npm lacks, or npm fails.
    """
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        raise Missing(f"no JDK {JDK}: apt-get install openjdk-{JDK}-jdk-headless")
    said = subprocess.run(
        [java, "-version"], capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JDK:
        raise Missing(
            f"Java {found[1] if found else 'of no version'} is too old: {JDK}"
        )
    modules = npm_install(BUILD / "kotlin", {"kotlin-compiler": VERSION})
    return Kotlin(java, javac, modules / "kotlin-compiler" / "lib")
