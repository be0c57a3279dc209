"""`keras-kd label`: from files to a store."""

import json

import numpy as np
import pytest

from keras_kd.store import StoredTeacher
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.ranges import RangeWriter


def label(out, *more, data="data.npz"):
    return [
        "label", "--teacher", "teacher.keras", "--data", data, "--out", out,
        "--batch-size", "16", "--range-rows", "32", *more,
    ]  # fmt: skip


def test_the_estimate_the_progress_and_the_store(call, tmp_path):
    out = tmp_path / "store"
    augment = ("--views", "2", "--flip", "--crop", "1")
    code, printed, said = call(
        *label(out, "--taps", "output", "body", "--top-k", "2", *augment)
    )
    assert (code, said) == (0, "")
    first, *_, last = printed.splitlines()
    assert first.startswith("wide: 308 rows (154 examples × 2 views) of ")
    assert "rows/s" in last and last.endswith("are whole.")
    store = StoredTeacher(out)
    assert store.taps == ("output", "body") and store.views == 2
    assert store.manifest.identities["augment"]["augmentation"]["crop"] == 1


@pytest.mark.parametrize(("part", "rows"), [("train", 154), ("test", 38), ("all", 192)])
def test_parts(part, rows, call, tmp_path):
    code, printed, _ = call(*label(tmp_path / "s", "--part", part, "--json"))
    found = json.loads(printed)
    assert (code, found["rows"], found["complete"]) == (0, rows, True)
    assert StoredTeacher(tmp_path / "s").rows == rows


def test_images_without_labels_and_arrays_by_input(call, folder, tmp_path):
    x = np.load(folder / "data.npz")["x"][:40]
    np.savez(folder / "bare.npz", x=x)
    np.savez(folder / "named.npz", image=x)
    for name in ("bare", "named"):
        code, printed, _ = call(*label(tmp_path / name, "--quiet", data=f"{name}.npz"))
        assert (code, printed) == (0, "")
    files = [(tmp_path / name / "output.values.npy") for name in ("bare", "named")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_images_of_the_students_size(call, tmp_path):
    code, *_ = call(*label(tmp_path / "s", "--image-size", "12x12", "--quiet"))
    assert code == 0
    data = StoredTeacher(tmp_path / "s").manifest.identities["data"]
    assert data["spec"][0][2] == [12, 12, 1]


def test_shards(call, tmp_path):
    for index in ("1/2", "0/2"):
        code, printed, _ = call(*label(tmp_path / "s", "--shard", index))
        assert code == 0 and f"of shard {index}" in printed
    assert "; 2 of 5 ranges are done" not in printed and "whole" in printed
    assert StoredTeacher(tmp_path / "s").rows == 154


def test_ctrl_c_tells_what_is_kept_and_the_same_command_goes_on(
    call, tmp_path, monkeypatch
):
    finish, finished = RangeWriter.finish, []

    def stop(self, number):
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append(finish(self, number))

    with monkeypatch.context() as patch:
        patch.setattr(RangeWriter, "finish", stop)
        code, _, said = call(*label(tmp_path / "s"))
    assert code == 130
    assert "2 of 5 ranges. The same command goes on" in said
    code, printed, _ = call(*label(tmp_path / "s"))
    assert code == 0 and "going on: 2 of 5 ranges are done" in printed


def test_two_writers_of_the_same_shard(call, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(RangeWriter, "finish", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            call(*label(tmp_path / "s"))
    manifest = Manifest.read(tmp_path / "s")
    with RangeWriter(tmp_path / "s", manifest) as other, other.claim(0):
        code, _, said = call(*label(tmp_path / "s", "--quiet"))
    assert code == 2 and said.count("\n") == 1
    assert "Another process is writing rows 0 to 31" in said
    assert call(*label(tmp_path / "s", "--quiet"))[0] == 0


def test_another_teacher_is_refused(call, tmp_path):
    assert call(*label(tmp_path / "s", "--quiet"))[0] == 0
    argv = label(tmp_path / "s", "--quiet")
    argv[2] = "student.keras"
    code, _, said = call(*argv)
    assert code == 2 and "labelled by another teacher" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--taps", "boody"], "Did you mean 'body'?"),
        (["--shard", "2/2"], "`shard` must be i/N"),
        (["--workers", "2", "--shard", "0/2"], "leave --shard out"),
        (["--workers", "0"], "`workers` must be a positive integer"),
        (["--mixup", "0.2", "--cutmix", "1"], "mixed in one way"),
        (["--precision", "compact"], "pass `top_k`"),
        (["--precision", "bodie=int8"], "`precision` must be one of"),
        (["--int8", "--engine", "onnx"], "engine='litert'"),
        (["--data", "digit"], "Did you mean 'digits'?"),
        (["--teacher", "none.keras"], "There is no file 'none.keras'"),
    ],
)
def test_refusals(more, sentence, call, folder):
    code, printed, said = call(*label("nothing", "--quiet", *more))
    assert (code, printed) == (2, "")
    assert said.startswith("keras-kd: error: ") and said.count("\n") == 1
    assert sentence in said
    assert not (folder / "nothing").exists()
