"""Two processes on the loopback train as one does, and after a kill as before it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.devices.worker import dataset, train
from tests.replicas import LAUNCH

WORKER = Path(__file__).parent / "worker.py"
ROOT = WORKER.parent.parent.parent


def two_workers(folder, *arguments):
    """What both have left in the folder: their weights, and what they found."""
    folder.mkdir()
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, "--workers", "2", "--restarts", "1", str(WORKER)]
        + [str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        env=inherited
        | {
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONPATH": str(ROOT),
        },
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found = [json.loads((folder / f"found_{i}.json").read_text()) for i in (0, 1)]
    weights = [np.load(folder / f"weights_{i}.npz") for i in (0, 1)]
    return [[w[name] for name in w.files] for w in weights], found, done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return two_workers(tmp_path_factory.mktemp("workers") / "undisturbed", "probe")


@pytest.mark.slow
def test_two_workers_equal_one_device(undisturbed):
    (first, second), found, errors = undisturbed
    assert "starts again" not in errors
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    distiller, logs = train(tf.distribute.get_strategy())
    for a, b in zip(first, distiller.student.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    scores = distiller.evaluate(dataset(), verbose=0)
    for worker in found:
        assert set(worker["logs"]) == set(logs)
        for key in logs:
            np.testing.assert_allclose(worker["logs"][key], logs[key], rtol=1e-5)
        np.testing.assert_allclose(worker["scores"], scores, rtol=1e-5)
        assert worker["backups"] == 0


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(undisturbed, tmp_path):
    weights, found, errors = two_workers(tmp_path / "killed", "kill")
    assert "the whole group starts again (1 of 1)." in errors
    assert (tmp_path / "killed" / "killed").exists()
    for own, expected in zip(weights, undisturbed[0], strict=True):
        for a, b in zip(own, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    # They went on from the end of the second epoch.
    before = undisturbed[1][0]["logs"]
    for key, values in found[0]["logs"].items():
        assert values == before[key][2:]


@pytest.mark.slow
def test_workers_that_start_from_different_weights_are_refused(undisturbed):
    for worker in undisturbed[1]:
        kind, sentence = worker["disagree"]
        assert kind == "ValueError"
        assert sentence.startswith(
            "The workers disagree about the weights before the first step: let each "
            "build its models within `strategy.scope()`"
        )


@pytest.mark.slow
def test_keras_has_not_mended_its_training_by_several_workers(undisturbed):
    """Where this fails, see whether `first_of` and `as_rows` are still needed."""
    assert keras.__version__ < "4"
    assert all(worker["stock"] is not None for worker in undisturbed[1])
