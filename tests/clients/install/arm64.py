"""A root of Debian for arm64, LiteRT in it, and a counter of its instructions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import arm64
from tests.clients.install.steps import call, need
from tests.clients.install.web import Missing
from tests.clients.paths import DOWNLOADS

SUITE = "bookworm"
PYTHON = "3.11"
"""What that suite has; the wheels are for it."""
INCLUDED = "python3,libgomp1,libatomic1"
PLATFORMS = ("2_17", "2_24", "2_26", "2_27", "2_28", "2_31", "2_34", "2_35")
"""manylinux versions up to the suite's glibc, 2.36."""
FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm "
    "lrcpc dcpop asimddp"
)
"""Of a Cortex-A76; the last is the dot product."""
PLUGIN_VERSIONS = range(1, 7)


def install() -> Path:
    """The root under `build/clients/arm64/`; what is there already is kept.

    Raises:
        Missing: If a package or the network lacks.
    """
    need("debootstrap", "dpkg-deb", packages="debootstrap")
    try:
        need("qemu-aarch64", packages="qemu-user")
    except Missing:
        if arm64.qemu() is None:  # the static one runs files, but cannot count
            raise
    if not arm64.PYTHON.exists():
        debian(arm64.ROOT)
    processor(arm64.ROOT)
    if not (arm64.SITE / "ai_edge_litert").exists():
        packages = [f"ai-edge-litert=={version('ai-edge-litert')}", "numpy"]
        for wheel in download(packages, DOWNLOADS / "arm64"):
            unpack(wheel, arm64.SITE)
    if not arm64.COUNTER.exists():
        counter()
    return arm64.ROOT


def mirror() -> str:
    """The Debian archive that this machine's apt is set up for."""
    listed = call(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"],
        "reading apt's configuration",
    )
    for line in listed.splitlines():
        site, release, component = line.split()
        if release == SUITE and component == "main":
            return site
    raise Missing(f"apt has no Debian {SUITE} to take the arm64 packages from")


def debian(root: Path) -> None:
    """Fetch a minimal Debian and unpack its packages, without running any of it."""
    part = root.with_name("root.part")
    shutil.rmtree(part, ignore_errors=True)
    command = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase"]
    command += [f"--include={INCLUDED}", SUITE, str(part), mirror()]
    call(command, "debootstrap")
    for package in sorted((part / "var/cache/apt/archives").glob("*.deb")):
        call(["dpkg-deb", "-x", str(package), str(part)], f"unpacking {package.name}")
    part.rename(root)


def processor(root: Path) -> None:
    """An ARM's `/proc/cpuinfo`: with this machine's own, LiteRT's start fails."""
    lines = [
        "BogoMIPS\t: 50.00",
        f"Features\t: {FEATURES}",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        "CPU variant\t: 0x3",
        "CPU part\t: 0xd0b",
        "CPU revision\t: 1",
    ]
    cores = ["\n".join([f"processor\t: {i}", *lines]) + "\n" for i in range(2)]
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text("\n".join(cores))


def download(
    packages: list[str],
    target: Path,
    platforms: Sequence[str] = PLATFORMS,
    machine: str = "aarch64",
) -> list[Path]:
    """Wheels for another machine's Python, by this environment's pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "-d", str(target)]
    for platform in ("manylinux2014", *(f"manylinux_{v}" for v in platforms)):
        command += ["--platform", f"{platform}_{machine}"]
    call([*command, *packages], f"pip download {' '.join(packages)} for {machine}")
    return sorted(target.glob("*.whl"))


def unpack(wheel: Path, site: Path) -> None:
    """A wheel's files, as pip would place them."""
    site.mkdir(parents=True, exist_ok=True)
    shutil.unpack_archive(wheel, site, "zip")


def counter() -> None:
    """Compile the plugin for the version of the interface that QEMU has.

    A machine without gcc, or with a QEMU that takes no plugins, still runs the
    files; `benchmarks.arm64.instructions` then says what lacks.
    """
    source = Path(arm64.__file__).with_name("arm64_count.c")
    if shutil.which("gcc") is None or shutil.which("qemu-aarch64") is None:
        return
    part = arm64.COUNTER.with_suffix(".part")
    for number in PLUGIN_VERSIONS:
        command = ["gcc", "-shared", "-fPIC", "-O2", f"-DQEMU_PLUGIN_VERSION={number}"]
        subprocess.run([*command, str(source), "-o", str(part)], check=False)
        trial = arm64.command(arm64.ROOT / "usr/bin/true", plugin=str(part))
        if part.exists() and arm64.run(trial).returncode == 0:
            part.rename(arm64.COUNTER)
            return
