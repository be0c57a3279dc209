"""Sizes, counts and times of a file."""

import gzip
import json

import pytest

from keras_kd.export import benchmark, export_tflite, schema
from keras_kd.export.benchmark.latency import summary
from tests.export.students import cnn, tokens


def test_the_report(tmp_path):
    model = cnn()
    result = export_tflite(model, tmp_path / "s.tflite")
    report = benchmark(result, threads=(1, 2), runs=7, warmup=1)
    content = result.path.read_bytes()
    assert report.bytes == len(content)
    assert len(gzip.compress(content)) == pytest.approx(report.gzip_bytes, abs=32)
    assert report.parameters == model.count_params()
    assert report.macs == schema.macs(schema.load(content))
    assert report.arena_bytes > 4 * 64
    assert set(report.latency_ms) == {1, 2}
    for row in report.latency_ms.values():
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] and row["runs"] == 7
    fields = report.to_dict()
    assert json.loads(json.dumps(fields)) == fields


def test_tokens_and_a_dynamic_batch_are_timed(tmp_path):
    result = export_tflite(tokens(), tmp_path / "s.tflite", batch_size=None)
    report = benchmark(str(result.path), threads=[1], runs=3, warmup=1)
    assert report.latency_ms[1]["mean"] > 0


def test_percentiles_are_in_milliseconds():
    row = summary([0.001, 0.002, 0.003])
    assert row["p50"] == pytest.approx(2.0) and row["mean"] == pytest.approx(2.0)
    assert row["p99"] == pytest.approx(2.98) and row["runs"] == 3


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`artifact` is not a file"):
        benchmark(tmp_path / "none.tflite")
    (tmp_path / "s.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match="`runs` must be a positive integer"):
        benchmark(tmp_path / "s.tflite", runs=0)
