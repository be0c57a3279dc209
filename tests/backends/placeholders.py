"""Libraries that stand in for CUDA's, so that PyTorch's wheel starts without them.

PyPI's wheel for Linux on x86-64 is linked against 2 GB of CUDA, and will not be
imported where one of these libraries lacks, even if no GPU is ever asked for. Each
placeholder has a library's name and the names of the functions that PyTorch looks for
in it; every one of them answers 100, CUDA's code for "no device".
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.install.steps import call, need

NO_DEVICE = 100
NEEDED = re.compile(r"NEEDED\s+(lib(?:cu|nccl|nv)\S+)")
OF_CUDA = re.compile(r"(cu|nccl|nv)")


def put_in_place_of_cuda(folder: Path) -> None:
    """Compile the libraries that those of `folder` need, into the folder.

    Raises:
        Missing: If there is no C compiler.
    """
    need("gcc", "nm", "objdump", packages="gcc libc6-dev binutils")
    own = sorted(str(path) for path in folder.glob("lib*.so"))
    headers = call(["objdump", "-p", *own], "reading what PyTorch is linked to")
    defined = names(["nm", "-D", "--defined-only", *own])
    wanted = names(["nm", "-D", "--undefined-only", "--with-symbol-versions", *own])
    wanted -= defined
    versions = {name.partition("@")[2] for name in wanted}
    bare = {name for name in wanted if "@" not in name and OF_CUDA.match(name)}
    for library in set(NEEDED.findall(headers)):
        version = "NVSHMEM" if library.startswith("libnvshmem") else library
        of_version = {name for name in wanted if name.endswith(f"@{version}")}
        # A name without a version may stand in any library that has none either.
        if version in versions:
            compile_library(folder / library, of_version, version)
        else:
            compile_library(folder / library, bare)


def names(command: list[str]) -> set[str]:
    lines = call(command, "reading PyTorch's symbols").splitlines()
    return {line.split()[-1] for line in lines if len(line.split()) > 1}


def compile_library(path: Path, functions: set[str], version: str = "") -> None:
    source, exports = path.with_suffix(".c"), path.with_suffix(".map")
    bare = sorted(name.partition("@")[0] for name in functions)
    source.write_text(
        "".join(f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in bare)
    )
    command = ["gcc", "-w", "-fno-builtin", "-shared", "-fPIC", str(source)]
    command += ["-o", str(path), f"-Wl,-soname,{path.name}"]
    if version:
        exports.write_text(f"{version} {{ global: *; }};\n")
        command.append(f"-Wl,--version-script={exports}")
    call(command, f"compiling {path.name}")
    source.unlink()
    exports.unlink(missing_ok=True)
