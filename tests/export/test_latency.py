"""Two files are timed in turns."""

import json
import time

import pytest

from keras_kd.export import compare_latency, export_tflite
from keras_kd.export.benchmark.latency import in_turns
from tests.export.students import cnn


def test_calls_take_turns():
    said = []
    calls = [lambda: said.append("a"), lambda: said.append("b")]
    times = in_turns(calls, runs=12, warmup=2)
    assert [len(seconds) for seconds in times] == [12, 12]
    assert "".join(said) == "aabb" + "aaaaabbbbb" + "bbbbbaaaaa" + "aabb"


def test_a_slower_machine_slows_both():
    """What slows down in between hits the one as the other."""
    state = {"calls": 0}

    def work():
        state["calls"] += 1
        time.sleep(0.001 if state["calls"] < 60 else 0.003)

    ours, theirs = in_turns([work, work], runs=60, warmup=1)
    assert sum(ours) / sum(theirs) == pytest.approx(1.0, abs=0.25)


def test_the_comparison(tmp_path):
    model = cnn()
    result = export_tflite(model, tmp_path / "s.tflite")
    found = compare_latency(result, str(result.path), runs=7, warmup=1, threads=2)
    assert found.ratio == found.file_ms["p50"] / found.reference_ms["p50"] > 0
    assert (found.threads, found.file_ms["runs"]) == (2, 7)
    fields = found.to_dict()
    assert json.loads(json.dumps(fields)) == fields and fields["ratio"] == found.ratio


def test_wrong_arguments(tmp_path):
    result = export_tflite(cnn(), tmp_path / "s.tflite")
    with pytest.raises(ValueError, match="`runs` must be a positive integer"):
        compare_latency(result, result, runs=0)
    with pytest.raises(FileNotFoundError, match="not a file"):
        compare_latency(result, tmp_path / "none.tflite")
