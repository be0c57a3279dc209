"""LiteRT on an emulated phone's processor: int8 as on x86 in every bit."""

from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks import arm64
from tests.clients.cases import TWO_SIGNATURES, Case, cases
from tests.clients.install.arm64 import install
from tests.clients.paths import FILES

pytestmark = pytest.mark.client
CASES = [*cases("tflite"), TWO_SIGNATURES]
CLIENT = "LiteRT arm64"
DRIVER = Path(__file__).parent / "drivers" / "lite.py"


@pytest.fixture(scope="module")
def emulator(installed):
    """The installed root, or a skip."""
    return installed(install, CLIENT)


@pytest.fixture(scope="module")
def answers(emulator, run_all):
    """All files in one start of the emulated Python."""
    return run_all("arm64", arm64.command(arm64.PYTHON, str(DRIVER)), CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_litert_arm64(case, exported, answers, judge, compared):
    """Right everywhere; a file that is int8 throughout is equal in every bit."""
    judge(CLIENT, version("ai-edge-litert"), case, answers[case])
    if case.recipe == "int8" and not case.variant:
        assert compared(case, answers[case]).equal


COUNTED = [
    (Case("digits", "float32"), Case("digits", "int8", "int8"), 0.6),
    (Case("separable", "float32"), Case("separable", "int8", "int8"), 0.8),
]


@pytest.fixture(scope="module")
def counter(emulator):
    if not arm64.COUNTER.exists():
        pytest.skip("no instruction counter: apt install qemu-user gcc")


@pytest.mark.parametrize(
    "plain, small, goal", COUNTED, ids=lambda x: str(x) if isinstance(x, Case) else ""
)
def test_int8_executes_fewer_instructions(counter, artifacts, plain, small, goal):
    """The count repeats exactly, and int8 is well below float32."""
    if not {plain, small} <= set(artifacts):
        pytest.skip("not exported")
    counts = [arm64.instructions(FILES / case.path, 10) for case in (plain, small)]
    assert arm64.instructions(FILES / small.path, 20) == pytest.approx(
        counts[1], rel=0.02
    )
    assert counts[1] <= goal * counts[0], counts


def test_int8_uses_the_dot_product(counter, artifacts):
    """A processor of 2012, which has none, stops at it; float32 runs there."""
    arguments = str(arm64.GUEST), str(FILES / "digits" / "int8_int8.tflite"), "1"
    old = arm64.command(arm64.PYTHON, *arguments, cpu="cortex-a53")
    assert "Illegal instruction" in arm64.run(old).stderr
    assert arm64.instructions(FILES / "digits" / "float32.tflite", 2, "cortex-a53") > 0


def test_a_file_that_does_not_run_is_not_counted(counter, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with pytest.raises(RuntimeError, match="No count of"):
        arm64.instructions(broken, 1)
