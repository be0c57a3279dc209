"""TensorFlow Lite's C API, an older release: on this machine and on arm64."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.clients.cases import TWO_SIGNATURES, cases
from tests.clients.compare import inputs_of
from tests.clients.install.capi import install, install_arm64
from tests.clients.jobs import Refused
from tests.clients.paths import FILES

pytestmark = pytest.mark.client
CASES = [*cases("tflite"), TWO_SIGNATURES]


@pytest.fixture(scope="module", params=["x86", "arm64"])
def program(request, installed):
    """The client's name, its command and its version."""
    name = f"C API {request.param}"
    command = installed(install if request.param == "x86" else install_arm64, name)
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return name, command, done.stdout.strip()


def run(command: list[str], exported: dict, folder: Path):
    """One file over all examples, through raw files."""
    arguments = []
    inputs = inputs_of(exported)
    for i, (name, values) in enumerate(inputs.items()):
        values.tofile(folder / f"in{i}")
        arguments.append(f"in:{name}={folder / f'in{i}'}")
    for i, tensor in enumerate(exported["outputs"]):
        arguments.append(f"out:{tensor['name']}={folder / f'out{i}'}")
    count = len(next(iter(inputs.values())))
    path = str(FILES / exported["path"])
    done = subprocess.run(
        [*command, path, str(count), *arguments], capture_output=True, text=True
    )
    if done.returncode:
        errors = [x for x in done.stderr.splitlines() if not x.startswith("INFO")]
        return Refused(errors[0] if errors else f"ended with {done.returncode}")
    return {
        tensor["name"]: np.fromfile(folder / f"out{i}", tensor["dtype"]).reshape(
            count, *tensor["shape"][1:]
        )
        for i, tensor in enumerate(exported["outputs"])
    }


REFUSED = {"weight_only_int4": "dequantize.cc"}
"""Recipes that this release, TensorFlow Lite 2.17, knows nothing of."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_c_api(case, program, exported, judge, tmp_path):
    """Right for all else, years after its release."""
    name, command, version = program
    answers = run(command, exported, tmp_path)
    judge(name, version, case, answers, REFUSED.get(case.recipe))


def test_c_api_refuses_what_is_no_model(program, index, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"TFL3 no model")
    done = subprocess.run(
        [*program[1], str(broken), "1", f"in:a={broken}", f"out:b={tmp_path / 'b'}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and "refused: no model" in done.stderr
