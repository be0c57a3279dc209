"""The workflow: a folder of results that is whole after each stage."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_kd import export, methods, workflow
from keras_kd.workflow.comparison import by_class, disagreements
from keras_kd.workflow.folder import ResultFolder, summary, table
from keras_kd.workflow.run import Run
from keras_kd.workflow.training import (
    top_classes,
)
from tests.patches import network, tiny_dataset, trained_teacher


@pytest.fixture(scope="module")
def teacher():
    return trained_teacher()


class TestRun:
    def run(self, teacher, student=network, terms=methods.hinton, seeds=(0, 1)):
        from keras_kd.teachers import as_teacher

        return Run(
            as_teacher(teacher),
            student,
            terms,
            tiny_dataset(),
            0.1,
            list(seeds),
            epochs=1,
            batch_size=16,
            learning_rate=0.01,
            augment=None,
        )

    def test_the_baseline_begins_where_the_student_began(self, teacher):
        run = self.run(teacher)
        begin = [w.copy() for w in run.student.get_weights()]
        run.train(run.first, 0, verbose=0)
        for alone, before, after in zip(
            run.alone(0).get_weights(), begin, run.student.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(alone, before)
            assert not np.array_equal(after, before)

    def test_each_seed_begins_elsewhere(self, teacher):
        run = self.run(teacher)
        other = run.distiller(1).student.get_weights()[0]
        assert not np.array_equal(other, run.initial[0][0])
        np.testing.assert_array_equal(other, run.alone(1).get_weights()[0])

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"student": network()}, ValueError, "`student` must be a function"),
            ({"terms": methods.hinton()}, ValueError, "`terms` must be a function"),
            ({"student": "net"}, TypeError, "`student` must be given"),
            ({"seeds": (0, 0)}, ValueError, "Seeds must have different names"),
        ],
    )
    def test_refuses(self, teacher, arguments, error, message):
        with pytest.raises(error, match=message):
            self.run(teacher, **arguments)


def distill(teacher, out, student=network, data=None, **arguments):
    defaults = {
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 0.01,
        "recipes": ("float32", "int8"),
        "verbose": 0,
    }
    return workflow.distill_to_folder(
        teacher,
        student,
        tiny_dataset(samples=120, labelled=12) if data is None else data,
        out,
        **{**defaults, **arguments},
    )


class TestDistillToFolder:
    def test_leaves_a_whole_folder(self, teacher, tmp_path):
        report = distill(teacher, tmp_path / "out", seed=(0, 1), command="make demo")
        folder = tmp_path / "out"
        on_disk = json.loads((folder / "report.json").read_text())
        assert {"title", "created", "versions", "setting", "command"} <= set(on_disk)
        assert on_disk["dataset"]["labelled"] == 12
        assert on_disk["dataset"]["image_shape"] == [6, 6, 1]
        for role in ("student", "baseline"):
            scores = on_disk[role]["accuracy_by_seed"]
            assert len(scores) == 2
            np.testing.assert_allclose(on_disk[role]["accuracy"], np.mean(scores))
            np.testing.assert_allclose(
                on_disk[role]["accuracy_std"], np.std(scores, ddof=1)
            )
            assert on_disk[role]["params"] == network().count_params()
        assert on_disk["teacher"]["params"] == teacher.count_params()
        assert set(on_disk["history"]) == {"student", "baseline"}
        assert on_disk["missing"] == [] and "failed" not in on_disk
        assert [row["name"] for row in on_disk["classes"]] == ["top", "mid", "low"]
        assert [row["recipe"] for row in on_disk["artifacts"]] == ["float32", "int8"]
        for row in on_disk["artifacts"]:
            assert (folder / row["path"]).stat().st_size == row["bytes"]
            assert row["latency_ms_p50"] > 0 and row["agreement"] > 0.9
        assert set(on_disk["seconds"]) == set(workflow.stages(("float32", "int8")))
        assert (folder / "report.html").stat().st_size > 1000
        student = keras.saving.load_model(folder / "student.keras")
        first = report["student"]["accuracy_by_seed"][0]
        assert workflow.accuracy(student, tiny_dataset(samples=120)) == first
        assert report["artifacts"][0]["accuracy"] == first

    def test_trains_a_given_model_in_place_without_a_baseline(self, teacher, tmp_path):
        student = network()
        before = student.get_weights()[0].copy()
        report = distill(teacher, tmp_path, student, baseline=False, recipes=())
        assert not np.array_equal(student.get_weights()[0], before)
        assert "baseline" not in report and report["artifacts"] == []

    def test_does_not_overwrite_unless_asked(self, teacher, tmp_path):
        (tmp_path / "student_int8.tflite").write_bytes(b"old")
        (tmp_path / "notes.txt").write_text("mine")
        short = {"baseline": False, "recipes": (), "epochs": 1}
        with pytest.raises(FileExistsError, match="earlier run.*overwrite=True"):
            distill(teacher, tmp_path, **short)
        distill(teacher, tmp_path, **short, overwrite=True)
        assert not (tmp_path / "student_int8.tflite").exists()
        assert (tmp_path / "notes.txt").read_text() == "mine"

    def test_wrong_input_touches_nothing(self, teacher, tmp_path):
        old = tmp_path / "report.json"
        old.write_text("{}")
        for wrong in (
            {"recipes": ("int9",)},
            {"student": network(classes=5)},
            {"epochs": 0},
            {"hard_loss_weight": -1},
        ):
            with pytest.raises(ValueError):
                distill(teacher, tmp_path, overwrite=True, **wrong)
        assert old.read_text() == "{}"

    def test_without_any_label_the_teacher_is_enough(self, teacher, tmp_path):
        data = tiny_dataset(samples=120)
        silent = dataclasses.replace(data, y_train=np.full_like(data.y_train, -1))
        with pytest.raises(ValueError, match="no labelled.*baseline=False"):
            distill(teacher, tmp_path, data=silent)
        assert not list(tmp_path.iterdir())
        report = distill(
            teacher, tmp_path, data=silent, baseline=False, recipes=(), epochs=10
        )
        assert report["student"]["accuracy"] > 0.6
        assert max(report["history"]["student"]["hard_loss"]) == 0

    def test_what_was_finished_is_kept_when_stopped(
        self, teacher, tmp_path, monkeypatch, capsys
    ):
        def stop(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(export, "benchmark", stop)
        with pytest.raises(KeyboardInterrupt):
            distill(teacher, tmp_path, baseline=False, verbose=1)
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["missing"] == ["export float32", "export int8"]
        assert report["student"]["accuracy"] > 0
        assert (tmp_path / "student.keras").is_file()
        assert (tmp_path / "report.html").is_file()
        assert "Stopped in 'export float32'" in capsys.readouterr().out

    def test_a_recipe_that_fails_stops_no_other(self, teacher, tmp_path, monkeypatch):
        whole = export.export_tflite

        def torn(model, path, recipe, *args, **kwargs):
            if recipe.name == "float32":
                raise export.ExportError("no such operator")
            return whole(model, path, recipe, *args, **kwargs)

        monkeypatch.setattr(export, "export_tflite", torn)
        report = distill(teacher, tmp_path, baseline=False)
        assert report["failed"] == {"float32": "no such operator"}
        assert report["missing"] == ["export float32"]
        assert [row["recipe"] for row in report["artifacts"]] == ["int8"]


class TestFolder:
    def test_a_stage_is_missing_until_it_is_finished(self, tmp_path):
        folder = ResultFolder(tmp_path / "out", title="t", verbose=0)
        folder.plan("one", "two")
        with folder.stage("one"):
            folder.report["student"] = {"name": "s", "accuracy": 0.5, "params": 1}
        on_disk = json.loads((tmp_path / "out" / "report.json").read_text())
        assert on_disk["missing"] == ["two"] and "one" in on_disk["seconds"]
        with pytest.raises(RuntimeError), folder.stage("two"):
            raise RuntimeError
        assert folder.report["missing"] == ["two"]

    def test_prints_headings_and_seconds(self, tmp_path, capsys):
        folder = ResultFolder(tmp_path, title="t")
        folder.plan("one", "two")
        with folder.stage("one", "about it"):
            pass
        printed = capsys.readouterr().out
        assert "[1/2] one: about it" in printed and "done in" in printed

    def test_a_file_in_the_way_is_refused(self, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(FileExistsError, match="must be a folder"):
            ResultFolder(tmp_path / "out", title="t", overwrite=True)


class TestSummary:
    def test_has_models_and_files(self):
        text = summary(
            {
                "teacher": {"params": 66_218, "accuracy": 0.994},
                "student": {
                    "params": 5_122,
                    "accuracy": 0.971,
                    "accuracy_by_seed": [0.97, 0.972],
                    "accuracy_std": 0.001,
                },
                "artifacts": [
                    {
                        "path": "student_int8.tflite",
                        "bytes": 10_160,
                        "accuracy": 0.97,
                        "agreement": None,
                        "latency_ms_p50": 0.0012,
                    }
                ],
            }
        )
        lines = text.splitlines()
        assert lines[2].split() == ["student", "5,122", "97.1", "%", "±", "0.1", "2"]
        assert lines[-1].split() == [
            "student_int8.tflite", "10,160", "97.0", "%", "–", "0.0012"
        ]  # fmt: skip

    def test_columns_are_aligned(self):
        assert table(("a", "bb"), [("long", 1)]) == "a     bb\nlong   1"


class TestComparison:
    data = tiny_dataset(test=6)  # labels 0 1 2 0 1 2
    teacher = np.array([0, 1, 2, 0, 1, 1])
    student = np.array([0, 1, 2, 1, 0, 1])

    def test_counts_by_class(self):
        rows = by_class(self.data, self.teacher, self.student)
        assert [row["samples"] for row in rows] == [2, 2, 2]
        assert [row["teacher_accuracy"] for row in rows] == [1.0, 1.0, 0.5]
        assert [row["student_accuracy"] for row in rows] == [0.5, 0.5, 0.5]
        assert [row["agreement"] for row in rows] == [0.5, 0.5, 1.0]

    def test_shows_where_they_differ(self):
        pictures = disagreements(self.data, self.teacher, self.student)
        assert [(p["label"], p["teacher"], p["student"]) for p in pictures] == [
            ("top", "top", "mid"),
            ("mid", "mid", "top"),
        ]
        np.testing.assert_array_equal(pictures[0]["image"], self.data.x_test[3])
        assert len(disagreements(self.data, self.teacher, self.student, most=1)) == 1

    def test_top_classes_of_a_teacher_and_of_a_model_are_the_same(self, teacher):
        from keras_kd import FrozenTeacher

        images = self.data.x_test
        own = top_classes(teacher, images)
        np.testing.assert_array_equal(
            own, np.argmax(teacher.predict(images, verbose=0), -1)
        )
        np.testing.assert_array_equal(
            own, top_classes(FrozenTeacher(teacher), images, batch_size=2)
        )
