"""MediaPipe Tasks in Python, told no more than the file: labels, tokenizer and all."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.clients import reference
from tests.clients.cases import TWO_SIGNATURES, cases
from tests.clients.install.mediapipe import VERSION, install
from tests.clients.jobs import Refused, run_jobs
from tests.clients.paths import BUILD, FILES

pytestmark = pytest.mark.client
CLIENT = "MediaPipe Tasks"
DRIVER = Path(__file__).parent / "drivers" / "mediapipe_tasks.py"
CASES = [case for case in cases("tflite") if case.student != "lstm"]
CASES.append(TWO_SIGNATURES)
"""It has no task for a sequence of numbers."""


@pytest.fixture(scope="module")
def answers(installed, index, artifacts):
    """All files in one start of MediaPipe: real-valued scores, or refusals."""
    python = str(installed(install, CLIENT))
    jobs = [job(case, index) for case in CASES if case in artifacts]
    found = run_jobs([python, str(DRIVER)], jobs, BUILD / "answers" / "mediapipe")
    return {case: found.get(str(FILES / case.path)) for case in CASES}


def job(case, index):
    """What the driver is told: pixels or sentences as an app has them."""
    student = index["students"][case.student]
    told = {
        "path": str(FILES / case.path),
        "task": student["task"],
        "classes": student["classes"],
        "outputs": list(student["outputs"]),
        "sentences": student["sentences"],
    }
    if student["task"] == "image":
        (file,) = student["inputs"].values()
        images = np.load(FILES / file)
        pixels = np.rint(images * 255).astype("uint8")
        colour = np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
        target = FILES / case.student / "pixels.npy"
        np.save(target, np.ascontiguousarray(colour))
        told["pixels"] = str(target)
    return told


def refusal(exported):
    """What MediaPipe says to ends that it does not take; None where it takes all."""
    (entering,) = exported["inputs"]
    kinds = {end["dtype"] for end in (entering, *exported["outputs"])}
    if exported["variant"] == "two_signatures":
        return "single subgraph"
    if kinds & {"int8", "int16"}:
        return "Type mismatch"
    if len(entering["shape"]) == 4 and entering["shape"][-1] not in (3, 4):
        return "Only RGB"
    return None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mediapipe(case, exported, answers, judge):
    """The scores of the reference; int8 ends and grey students are refused in words."""
    found = answers[case]
    if not isinstance(found, Refused):
        (output,) = exported["outputs"]
        (scores,) = found.values()
        quantization = output["scale"], output["zero_point"], output["dtype"]
        found = {output["name"]: reference.raw(scores, *quantization)}
    judge(CLIENT, VERSION, case, found, refusal(exported))


def test_the_job_is_what_an_app_knows(index):
    """No quantization, no normalisation, no token ids."""
    told = json.dumps(job(CASES[0], index))
    assert "scale" not in told and "zero_point" not in told and "mean" not in told
