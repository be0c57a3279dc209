"""The checks can fail: damaged files, wrong answers, missing clients, dead programs."""

import json
import sys

import numpy as np
import pytest

from tests.clients import reference, table
from tests.clients.cases import CASES, Case, cases
from tests.clients.compare import compare
from tests.clients.install.web import Missing
from tests.clients.jobs import Refused, run_jobs
from tests.clients.paths import FILES
from tests.clients.record import record

pytestmark = pytest.mark.client
SMALL = Case("digits", "int8", "int8")


@pytest.fixture
def answers(artifacts):
    """The reference's own answers, to spoil."""
    outputs = artifacts[SMALL]["outputs"]
    return {tensor["name"]: np.load(FILES / tensor["file"]) for tensor in outputs}


def test_every_case_is_exported(index):
    refused = {e["path"]: e["refused"] for e in index["artifacts"] if "refused" in e}
    assert not refused
    assert len(index["artifacts"]) == len(CASES) + 1 == len({c.path for c in CASES}) + 1


def test_the_students_have_learned(index):
    assert all(student["accuracy"] >= 0.9 for student in index["students"].values())


def test_the_references_answers_are_right(artifacts, index, answers):
    assert compare(artifacts[SMALL], index, answers).faults == []
    assert compare(artifacts[SMALL], index, answers).equal


def test_a_few_wrong_steps_are_seen(artifacts, index, answers):
    answers["logits"][3, 2] ^= 8
    found = compare(artifacts[SMALL], index, answers)
    assert found.steps == 8 and not found.equal and found.faults


def test_a_shuffled_answer_is_seen(artifacts, index, answers):
    answers["logits"] = answers["logits"][::-1]
    assert any(
        "accuracy" in fault for fault in compare_faults(artifacts, index, answers)
    )


def compare_faults(artifacts, index, answers):
    return compare(artifacts[SMALL], index, answers).faults


def test_nan_and_other_shapes_are_seen(artifacts, index):
    case = Case("digits", "float32")
    logits = np.load(FILES / artifacts[case]["outputs"][0]["file"])
    spoiled = np.where(logits == logits.max(), np.nan, logits).astype("float32")
    assert compare(artifacts[case], index, {"logits": spoiled}).faults
    with pytest.raises(AssertionError):
        compare(artifacts[case], index, {"logits": logits[:, :9]})


def test_a_damaged_file_fails(artifacts, index, tmp_path):
    """Weights of another sign, in a file that still loads."""
    from keras_kd.export import schema

    content = bytearray((FILES / SMALL.path).read_bytes())
    model = schema.load(bytes(content))
    weights = max((bytes(b.data) for b in model.buffers if b.data is not None), key=len)
    start = content.index(weights)
    for i in range(start, start + len(weights)):
        content[i] = (-content[i]) & 0xFF
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(content)
    student = index["students"]["digits"]
    inputs = {name: np.load(FILES / file) for name, file in student["inputs"].items()}
    _, outputs = reference.run(damaged, inputs)
    answers = {name: values for name, (_, values) in outputs.items()}
    assert compare_faults(artifacts, index, answers)


DRIVER = """
import json, os, sys
import numpy as np
for job in json.load(open(sys.argv[1])):
    print(json.dumps({"begin": job["path"]}), flush=True)
    if job["path"] == "dies":
        os.kill(os.getpid(), 9)
    if job["path"] == "refuses":
        print(json.dumps({"refused": "no"}), flush=True)
        continue
    os.makedirs(job["out"], exist_ok=True)
    np.save(os.path.join(job["out"], "y"), np.arange(3))
    print(json.dumps({"done": job["path"]}), flush=True)
"""


def test_a_program_that_dies_is_started_again(tmp_path):
    jobs = [{"path": path} for path in ("a", "dies", "refuses", "b")]
    found = run_jobs([sys.executable, "-c", DRIVER], jobs, tmp_path)
    assert list(found["a"]["y"]) == list(found["b"]["y"]) == [0, 1, 2]
    assert isinstance(found["dies"], Refused) and "-9" in str(found["dies"])
    assert str(found["refuses"]) == "no"


def test_a_program_that_does_nothing_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="did no job"):
        run_jobs([sys.executable, "-c", ""], [{"path": "a"}], tmp_path)


def test_answers_of_an_earlier_run_do_not_count(tmp_path):
    (tmp_path / "0").mkdir()
    np.save(tmp_path / "0" / "y", np.arange(9))
    program = 'import json; print(json.dumps({"begin": "a"}))'
    found = run_jobs([sys.executable, "-c", program], [{"path": "a"}], tmp_path)
    assert isinstance(found["a"], Refused)


def test_what_cannot_be_installed_is_a_skip_with_its_reason(installed, monkeypatch):
    kept = []
    monkeypatch.setattr("tests.clients.conftest.record", lambda *a: kept.append(a))

    def install():
        raise Missing("no gcc: apt install gcc")

    with pytest.raises(pytest.skip.Exception, match="apt install gcc"):
        installed(install, "A client")
    assert kept == [("A client", "", "*", "*", "skipped", "no gcc: apt install gcc")]


def test_the_table_says_what_was_recorded(tmp_path):
    known = {"folder": tmp_path}
    record("A", "1.0", "digits", "float32", "right", "error 2.1e-07, agree", **known)
    record("A", "1.0", "vit", "float32", "right", "bit-equal, agreement 1", **known)
    record("A", "1.0", "digits", "int8 (int8)", "right", "steps 1, agree", **known)
    record("A", "1.0", "vit", "float16", "refused", "no | float16", **known)
    record("A", "1.0", "vit", "dynamic_int8", "wrong", "error 0.2", **known)
    record("B", "", "*", "*", "skipped", "no gcc", **known)
    text = table.table(table.read(tmp_path))
    rows = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert rows["| float32"] == "| float32 | 2e-07 |"
    assert rows["| int8 (int8)"] == "| int8 (int8) | 1 step |"
    assert rows["| float16"] == "| float16 | refused |"
    assert rows["| dynamic_int8"] == "| dynamic_int8 | **wrong** |"
    assert "- B skipped: no gcc" in text
    assert "- A, float16 of vit: no \\| float16" in text
    with pytest.raises(ValueError, match="outcome"):
        record("A", "1.0", "digits", "float32", "fine", "", tmp_path)


def test_a_client_that_runs_again_is_no_longer_skipped(tmp_path):
    record("A", "", "*", "*", "skipped", "no gcc", tmp_path)
    record("A", "1.0", "digits", "float32", "right", "bit-equal", tmp_path)
    (path,) = tmp_path.glob("*.json")
    assert list(json.loads(path.read_text())["outcomes"]) == ["float32"]


def test_formats():
    assert {case.format for case in CASES} == {"tflite", "onnx"}
    assert all(case.format == "onnx" for case in cases("onnx"))
