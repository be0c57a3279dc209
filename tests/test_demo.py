"""`make demo` in its fast form: the same stages, fewer seeds and epochs."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_fast_demonstration_tells_the_story(demo, tmp_path, capsys):
    returned = demo.main(["--fast", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    teacher, student, alone = (report[k] for k in ("teacher", "student", "baseline"))
    assert report["missing"] == [] and "failed" not in report
    assert student["params"] <= teacher["params"] / 10
    assert student["accuracy"] > alone["accuracy"]
    assert len(student["accuracy_by_seed"]) == len(alone["accuracy_by_seed"]) == 2
    assert report["dataset"]["labelled"] == 50
    assert set(report["history"]) == {"teacher", "student", "baseline"}
    files = {row["recipe"]: row for row in report["artifacts"]}
    assert list(files) == ["float32", "float16", "dynamic_int8", "int8"]
    assert files["int8"]["accuracy"] >= files["float32"]["accuracy"] - 0.02
    assert files["int8"]["bytes"] < files["float32"]["bytes"] / 2
    assert (tmp_path / "teacher.keras").is_file()
    printed = capsys.readouterr().out
    assert "without teacher" in printed and "student_int8.tflite" in printed
    assert returned["student"]["accuracy"] == student["accuracy"]


def test_every_setting_keeps_the_student_a_tenth(demo):
    for name, side in (("digits", 8), ("fashion_mnist", 28)):
        setting = demo.SETTINGS[name]
        teacher, student = (
            demo.models.network(role, (side, side, 1), 10, blocks).count_params()
            for role, blocks in (
                ("teacher", setting.teacher),
                ("student", setting.student),
            )
        )
        assert student <= teacher / 10
        assert len(setting.seeds) == 5
