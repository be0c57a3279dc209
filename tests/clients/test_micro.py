"""TFLite-Micro's own interpreter, compiled for this machine."""

import re
import subprocess
from pathlib import Path

import pytest

from keras_kd.export import schema
from keras_kd.export.micro.fit import OPERATORS, arena_estimate, unsuitable
from tests.clients.cases import TWO_SIGNATURES, cases
from tests.clients.install.micro import install
from tests.clients.jobs import Refused
from tests.clients.paths import FILES

pytestmark = pytest.mark.client
CASES = [*cases("tflite"), TWO_SIGNATURES]
CLIENT = "TFLite-Micro"
DRIVER = Path(__file__).parent / "drivers" / "micro.py"
WORDS = "Didn't find op|not supported|was not true"
"""How it refuses."""


@pytest.fixture(scope="module")
def python(installed):
    return str(installed(install, CLIENT))


@pytest.fixture(scope="module")
def answers(python, run_all):
    return run_all("micro", [python, str(DRIVER)], CASES)


@pytest.fixture(scope="module")
def version(python):
    code = "from importlib.metadata import version; print(version('tflite-micro'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_micro(case, exported, answers, version, judge):
    """Right where `keras_kd.export.micro` says that it suits, and only there.

    Weights of int8 alone are the one that it takes and computes wrongly in silence.
    """
    found = answers[case]
    reason = unsuitable(schema.load(FILES / case.path))
    wrong = reason is not None and case.recipe == "weight_only_int8"
    wrong = wrong and not isinstance(found, Refused)
    judge(CLIENT, version, case, found, WORDS if reason else None, wrong)
    if reason is None or wrong:
        assert not isinstance(found, Refused), found
    else:
        assert isinstance(found, Refused), reason


ARENAS = [case for case in cases("tflite") if case.recipe in ("int8", "int16x8")]


@pytest.mark.parametrize("case", ARENAS, ids=str)
def test_the_arena_is_enough_and_not_much_more(case, exported, python):
    """Against the smallest arena with which the interpreter runs the file."""
    path = FILES / case.path
    model = schema.load(path)
    if unsuitable(model):
        pytest.skip("TFLite-Micro does not run it")
    done = subprocess.run(
        [python, str(DRIVER), "--arena", str(path)], capture_output=True, text=True
    )
    least = int(done.stdout)
    assert least <= arena_estimate(model) <= 2 * least


def test_the_operators_are_those_that_it_has(python):
    """Each name is one of the kernels in the installed library."""
    code = "from tflite_micro import runtime; print(runtime._runtime.__file__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    library = Path(done.stdout.strip()).read_bytes()
    kernels = set(re.findall(rb"Register_([A-Z0-9_]+?)(?:Ev|v)", library))
    assert b"CONV_2D" in kernels
    assert not {name for name in OPERATORS if name.encode() not in kernels}
