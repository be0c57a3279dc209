"""`keras-kd distill --store`: the teacher was paid for before."""

import pytest

from keras_kd.store import StoredTeacher
from keras_kd.teachers import FrozenTeacher
from tests.cli.test_label import label
from tests.cli.words import distill, report_in

FEW = ["--recipes", "none", "--quiet"]


@pytest.fixture
def stored(call, tmp_path):
    assert call(*label(tmp_path / "s", "--views", "2", "--flip", "--quiet"))[0] == 0
    return tmp_path / "s"


def test_the_student_learns_from_the_store_alone(stored, call, tmp_path, monkeypatch):
    ran, only = [], FrozenTeacher.features
    monkeypatch.setattr(
        FrozenTeacher,
        "features",
        lambda self, x, *rest: (ran.append(len(x)), only(self, x, *rest))[1],
    )
    out = tmp_path / "out"
    code, _, said = call(*distill(out, "--store", stored, "--epochs", "3", *FEW))
    assert (code, said) == (0, "")
    report = report_in(out)
    assert len(report["history"]["student"]["loss"]) == 3
    assert {"accuracy", "agreement"} <= set(report["student"])
    assert report["baseline"]["accuracy"] >= 0
    assert report["setting"]["targets"] == "from the store s"
    assert "flip=True" in report["setting"]["augmentation"]
    # The 38 images of the test, for the report; none of the 154 it was trained on.
    assert 38 in ran and not {154, 32, 128, 26} & set(ran)


def test_few_labels_need_no_baseline(stored, call, tmp_path):
    argv = distill(tmp_path / "out", "--store", stored, "--labelled", "12", *FEW)
    code, _, said = call(*argv)
    assert code == 2 and "pass `baseline=False`" in said
    code, _, said = call(*argv, "--no-baseline", "--overwrite")
    assert (code, said) == (0, "")


def test_a_store_of_another_teacher_or_other_data(stored, call, tmp_path):
    argv = distill(tmp_path / "out", "--store", stored, *FEW)
    other = [word if word != "teacher.keras" else "student.keras" for word in argv]
    code, _, said = call(*other)
    assert code == 2 and "labelled by another teacher" in said
    code, _, said = call(*argv, "--seed", "1")
    assert code == 2 and "other data" in said


def test_mixed_views_are_left_to_python(call, tmp_path):
    assert call(*label(tmp_path / "m", "--mixup", "0.2", "--quiet"))[0] == 0
    assert StoredTeacher(tmp_path / "m").manifest.identities["augment"]
    code, _, said = call(*distill(tmp_path / "out", "--store", tmp_path / "m", *FEW))
    assert code == 2 and "train in Python" in said
