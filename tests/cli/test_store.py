"""`keras-kd store`: what it holds, and whether it is the teacher's."""

import json

import pytest

from tests.cli.test_label import label


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    from keras_kd import cli

    out = tmp_path_factory.mktemp("stores") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        argv = label(str(out), "--taps", "output", "body", "--flip", "--quiet")
        assert cli.main(argv) == 0
    return out


VERIFY = ["--teacher", "teacher.keras", "--data", "data.npz", "--flip"]


def test_info(store, call):
    code, printed, _ = call("store", "info", store)
    assert code == 0
    assert "bytes a row   294" in printed
    assert "all 5 ranges, checksums agree" in printed
    assert "3 × 3 × 16" in printed
    assert "augmentation  augmentation (fill constant, flip)" in printed


def test_info_as_json(store, call):
    code, printed, _ = call("store", "info", store, "--json")
    found = json.loads(printed)
    assert (code, found["rows"], found["row_bytes"]) == (0, 154, 294)
    assert found["complete"] and found["notes"]["engine"] == "tensorflow"
    assert [t["tap"] for t in found["tensors"]] == ["output", "body"]


def test_info_of_a_part(call, tmp_path):
    assert call(*label(tmp_path / "s", "--shard", "0/2", "--quiet"))[0] == 0
    code, printed, _ = call("store", "info", tmp_path / "s")
    assert code == 0 and "3 of 5 ranges are done" in printed


def test_verify(store, call):
    code, printed, _ = call("store", "verify", store, *VERIFY)
    assert code == 0 and "64 rows compared: passed" in printed
    code, printed, _ = call("store", "verify", store, *VERIFY, "--rows", "8", "--json")
    found = json.loads(printed)
    assert code == 0 and found["passed"] and found["rows"] == 8


def test_verify_tells_what_is_not_the_stores(store, call):
    code, printed, _ = call("store", "verify", store, *VERIFY[:-1])
    assert code == 1
    assert "FAILED" in printed and "under another augmentation" in printed


def test_verify_of_an_int8_teacher(call, tmp_path):
    argv = label(tmp_path / "s", "--int8", "--quiet", "--part", "train")
    assert call(*argv)[0] == 0
    code, printed, said = call(
        "store", "verify", tmp_path / "s", *VERIFY[:-1], "--int8"
    )
    assert code == 0, printed + said
    code, printed, _ = call("store", "verify", tmp_path / "s", *VERIFY[:-1])
    assert code == 1 and "precision" in printed


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["info", "none"], "is no store of targets"),
        (["verify", "none"], "needs --teacher"),
        (["verify", "none", "--teacher", "teacher.keras"], "needs --data"),
    ],
)
def test_refusals(argv, sentence, call):
    code, printed, said = call("store", *argv)
    assert (code, printed) == (2, "")
    assert sentence in said and said.count("\n") == 1
