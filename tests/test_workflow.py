"""The workflow: fair trainings, and a folder that is whole after each stage."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, export, methods, workflow
from keras_kd.datasets import Dataset, hide_labels
from keras_kd.losses import KLDistillation
from keras_kd.workflow.comparison import by_class, disagreements
from keras_kd.workflow.folder import ResultFolder, summary, table
from keras_kd.workflow.run import Run
from keras_kd.workflow.training import (
    LabelledAccuracy,
    batches,
    hard_loss,
    steps_per_epoch,
    top_classes,
    train,
)

CLASSES = 3


def tiny_dataset(samples=48, test=24, labelled=None, shape=(6, 6, 1)):
    """Bright patches, whose place is the class."""
    rng = np.random.default_rng(0)

    def part(count):
        y = np.arange(count) % CLASSES
        x = rng.uniform(0, 0.3, (count, *shape)).astype("float32")
        for image, label in zip(x, y, strict=True):
            image[2 * label : 2 * label + 2] += 0.6
        return x, y

    dataset = Dataset("patches", *part(samples), *part(test), ("top", "mid", "low"))
    return dataset if labelled is None else hide_labels(dataset, labelled)


def network(width=4, activation=None, classes=CLASSES, shape=(6, 6, 1), name="net"):
    inputs = keras.Input(shape, name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(classes, activation=activation, name="logits")(x)
    return keras.Model(inputs, x, name=name)


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(0)
    model = network(8, name="teacher")
    train(
        model, tiny_dataset(), epochs=10, batch_size=16, learning_rate=0.01, verbose=0
    )
    return model


class TestBatches:
    def take(self, dataset, count, seed=0, augment=None, batch_size=4):
        rows = np.arange(len(dataset.x_train))
        made = batches(dataset, rows, batch_size, seed, augment)
        return list(made.take(count).as_numpy_iterator())

    def test_are_full_endless_and_see_each_image_once_an_epoch(self):
        dataset = tiny_dataset(samples=8)
        taken = self.take(dataset, 4)
        assert [len(x) for x, _ in taken] == [4] * 4
        for first, second in (taken[:2], taken[2:]):
            seen = np.sort(np.concatenate([first[0], second[0]]).sum((1, 2, 3)))
            np.testing.assert_allclose(
                seen, np.sort(dataset.x_train.sum((1, 2, 3))), rtol=1e-5
            )

    def test_keep_images_with_their_labels(self):
        dataset = tiny_dataset()
        for x, y in self.take(dataset, 6):
            places = x.reshape(len(x), 3, -1).sum(-1).argmax(-1)
            np.testing.assert_array_equal(places, y)

    def test_are_the_same_from_the_same_seed(self):
        dataset, augment = tiny_dataset(), workflow.Augmentation(shift=0.2)
        first, again = (self.take(dataset, 3, 1, augment) for _ in range(2))
        for (x, y), (x_again, y_again) in zip(first, again, strict=True):
            np.testing.assert_array_equal(x, x_again)
            np.testing.assert_array_equal(y, y_again)
        other = self.take(dataset, 3, 2, augment)
        assert not np.array_equal(first[0][0], other[0][0])

    def test_every_step_has_views_of_its_own(self):
        dataset = tiny_dataset(samples=4)
        augment = workflow.Augmentation(shift=0.3)
        (first, _), (second, _) = self.take(dataset, 2, augment=augment)
        assert not np.allclose(
            np.sort(first.sum((1, 2, 3))), np.sort(second.sum((1, 2, 3)))
        )


class TestAugmentation:
    images = np.random.default_rng(0).uniform(size=(6, 5, 7, 2)).astype("float32")

    def test_of_nothing_changes_nothing(self):
        same = workflow.Augmentation(shift=0)(self.images, (0, 1))
        np.testing.assert_allclose(same, self.images, atol=1e-5)

    def test_mirrors_some_left_to_right(self):
        views = workflow.Augmentation(shift=0, flip=True)(self.images, (0, 1)).numpy()
        mirrored = self.images[:, :, ::-1]
        kinds = [
            "mirror" if np.allclose(view, mirror, atol=1e-4) else "same"
            for view, mirror in zip(views, mirrored, strict=True)
            if np.allclose(view, mirror, atol=1e-4)
            or np.abs(self.images - view).max((1, 2, 3)).min() < 1e-4
        ]
        assert len(kinds) == 6 and set(kinds) == {"same", "mirror"}

    def test_shifts_at_most_as_far_as_asked(self):
        dot = np.zeros((64, 21, 21, 1), "float32")
        dot[:, 10, 10] = 1
        views = workflow.Augmentation(shift=0.2)(dot, (0, 1)).numpy()
        rows, columns = np.nonzero(views.sum((0, 3)))
        for places in (rows, columns):
            assert 10 - 5 <= places.min() < 8 and 12 < places.max() <= 10 + 5

    def test_turns_about_the_middle(self):
        dot = np.zeros((8, 21, 21, 1), "float32")
        dot[:, 10, 10] = 1
        views = workflow.Augmentation(shift=0, rotate=180)(dot, (0, 1)).numpy()
        np.testing.assert_allclose(views[:, 10, 10], 1, atol=1e-4)
        np.testing.assert_allclose(views[:, ::-1, ::-1], views, atol=1e-4)
        assert not np.allclose(views[0], views[1], atol=1e-3)

    def test_is_a_function_of_its_seed_that_keeps_the_shape(self):
        augment = workflow.Augmentation(shift=0.2, rotate=20, zoom=0.2, fill="reflect")
        first, again = augment(self.images, (3, 4)), augment(self.images, (3, 4))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, augment(self.images, (3, 5)))
        assert first.shape == self.images.shape

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [({"shift": -1}, "`shift` must be non-neg"), ({"fill": "x"}, "`fill` must")],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            workflow.Augmentation(**arguments)

    def test_speaks(self):
        augment = workflow.Augmentation(shift=0.1, rotate=10, flip=True)
        assert str(augment) == "shift up to 10%, turn up to 10°, mirror"


class TestUnlabelled:
    logits = np.random.default_rng(1).normal(size=(6, CLASSES)).astype("float32")
    labels = np.array([-1, 2, -1, 0, 1, -1])

    def test_neither_add_to_the_hard_loss_nor_dilute_it(self):
        model = network()
        known = self.labels >= 0
        expected = hard_loss(model, False)(self.labels[known], self.logits[known])
        actual = hard_loss(model, True)(self.labels, self.logits)
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
        assert float(hard_loss(model, True)(np.full(6, -1), self.logits)) == 0

    def test_count_in_no_accuracy(self):
        metric = LabelledAccuracy()
        logits = keras.ops.one_hot([0, 2, 0, 1, 1, 0], CLASSES)
        metric.update_state(self.labels, logits)
        np.testing.assert_allclose(metric.result(), 2 / 3, rtol=1e-6)

    def test_teach_a_distiller_nothing_through_the_hard_loss(self, teacher):
        """One step on a mixed batch is one step on its labelled images."""
        data = tiny_dataset(labelled=9)
        known = data.labelled
        student, plain = network(), network()
        plain.set_weights(student.get_weights())
        distiller = Distiller(teacher, student, [DistillationTerm(KLDistillation())])
        distiller.terms[0].weight.assign(0.0)
        distiller.compile(keras.optimizers.SGD(0.1), hard_loss(student, True))
        logs = distiller.train_on_batch(data.x_train, data.y_train, return_dict=True)
        plain.compile(keras.optimizers.SGD(0.1), hard_loss(plain, False))
        expected = plain.train_on_batch(data.x_train[known], data.y_train[known])
        np.testing.assert_allclose(logs["hard_loss"], expected, rtol=1e-5)
        for ours, theirs in zip(
            student.get_weights(), plain.get_weights(), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)

    def test_count_in_the_terms(self, teacher):
        data = tiny_dataset(labelled=3)
        student = network()
        expected = KLDistillation()(teacher(data.x_train), student(data.x_train))
        distiller = Distiller(teacher, student, methods.hinton())
        distiller.compile("sgd", hard_loss(student, True))
        logs = distiller.train_on_batch(data.x_train, data.y_train, return_dict=True)
        np.testing.assert_allclose(logs["kl_distillation"], expected, rtol=1e-5)


class TestTrain:
    def test_takes_as_many_steps_with_and_without_a_teacher(self, teacher):
        data = tiny_dataset(samples=50, labelled=6)
        student, alone = network(), network()
        distiller = Distiller(teacher, student, methods.hinton())
        for model in (distiller, alone):
            history = train(model, data, epochs=2, batch_size=16, verbose=0)
            assert int(model.optimizer.iterations) == 2 * steps_per_epoch(data, 16) == 8
            assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history)
            assert len(history["val_accuracy"]) == 2

    def test_a_plain_model_sees_labelled_images_only(self):
        data = tiny_dataset(labelled=6)
        poison = data.x_train.copy()
        poison[~data.labelled] = 1.0
        seen = []
        for x_train in (data.x_train, poison):
            keras.utils.set_random_seed(0)
            model = network()
            train(
                model,
                dataclasses.replace(data, x_train=x_train),
                epochs=1,
                batch_size=8,
                verbose=0,
            )
            seen.append(model.get_weights())
        for clean, poisoned in zip(*seen, strict=True):
            np.testing.assert_array_equal(clean, poisoned)

    def test_learns(self, teacher):
        assert workflow.accuracy(teacher, tiny_dataset()) > 0.9

    def test_reads_a_softmax_as_probabilities(self):
        assert not hard_loss(network(activation="softmax"), False).get_config()[
            "from_logits"
        ]

    @pytest.mark.parametrize(
        ("shape", "classes", "end"),
        [((6, 6, 3), CLASSES, "takes"), ((6, 6, 1), 5, "gives")],
    )
    def test_refuses_a_model_that_does_not_fit(self, shape, classes, end):
        with pytest.raises(ValueError, match=f"`model` must fit 'patches'.*{end}"):
            train(network(shape=shape, classes=classes), tiny_dataset(), epochs=1)

    @pytest.mark.parametrize(
        "arguments", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}]
    )
    def test_refuses_wrong_numbers(self, arguments):
        with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must be"):
            train(network(), tiny_dataset(), **{"epochs": 1, **arguments})


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
