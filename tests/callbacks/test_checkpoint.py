"""Whole files, at the right epochs."""

import keras
import numpy as np
import pytest

from keras_kd import Distiller, methods
from keras_kd.callbacks import StudentCheckpoint, save_model
from tests.models import LOGITS, cnn

LOSS = keras.losses.SparseCategoricalCrossentropy(**LOGITS)


@pytest.fixture
def student():
    return cnn("student")


def fit(model, images, callbacks, epochs=2):
    model.compile("sgd", LOSS, metrics=["accuracy"], jit_compile=False)
    return model.fit(*images, epochs=epochs, verbose=0, callbacks=callbacks)


def epoch_end(callback, model, epoch=0, **logs):
    callback.set_model(model)
    callback.on_epoch_end(epoch, logs)


class TestStudentCheckpoint:
    def test_saves_the_student_of_a_distiller(self, tmp_path, images, student):
        path = tmp_path / "made" / "student.keras"
        distiller = Distiller(cnn("teacher", width=8), student, methods.hinton())
        fit(distiller, images, [StudentCheckpoint(path)])
        saved = keras.saving.load_model(path)
        assert saved.name == "student"
        np.testing.assert_allclose(
            saved(images[0]), student(images[0], training=False), atol=1e-6
        )
        assert [p.name for p in path.parent.iterdir()] == ["student.keras"]

    def test_saves_a_plain_model(self, tmp_path, images, student):
        fit(student, images, [StudentCheckpoint(tmp_path / "a.keras")], epochs=1)
        saved = keras.saving.load_model(tmp_path / "a.keras")
        np.testing.assert_array_equal(saved.get_weights()[0], student.get_weights()[0])

    def test_saves_only_what_improved(self, tmp_path, student, monkeypatch):
        saved = []
        monkeypatch.setattr(
            "keras_kd.callbacks.checkpoint.save_model",
            lambda model, path: saved.append(path),
        )
        callback = StudentCheckpoint(tmp_path / "a.keras", monitor="val_accuracy")
        for value in (0.5, 0.4, float("nan"), 0.5, 0.6):
            epoch_end(callback, student, val_accuracy=value)
        assert len(saved) == 2 and callback.best == 0.6

    @pytest.mark.parametrize(
        ("monitor", "mode", "values", "best"),
        [
            ("val_loss", "auto", (0.5, 0.4, 0.6), 0.4),
            ("agreement", "auto", (0.5, 0.4, 0.6), 0.6),
            ("psnr", "max", (0.5, 0.4, 0.6), 0.6),
            ("accuracy", "min", (0.5, 0.4, 0.6), 0.4),
        ],
    )
    def test_knows_what_is_better(self, tmp_path, student, monitor, mode, values, best):
        callback = StudentCheckpoint(tmp_path / "a.keras", monitor, mode)
        for value in values:
            epoch_end(callback, student, **{monitor: value})
        assert callback.best == best

    def test_saves_no_more_often_than_asked_but_the_end(
        self, tmp_path, images, student, monkeypatch
    ):
        saved = []
        monkeypatch.setattr(
            "keras_kd.callbacks.checkpoint.save_model",
            lambda model, path: saved.append(int(model.optimizer.iterations)),
        )
        callback = StudentCheckpoint(tmp_path / "a.keras", seconds=1000)
        fit(student, images, [callback], epochs=4)
        assert saved == [2, 8]  # the first epoch, and the last

    def test_a_save_that_fails_leaves_the_file_before(
        self, tmp_path, student, monkeypatch
    ):
        path = save_model(student, tmp_path / "a.keras")
        before = path.read_bytes()

        def torn(self, target):
            target.write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(keras.Model, "save", torn)
        with pytest.raises(KeyboardInterrupt):
            epoch_end(StudentCheckpoint(path), student)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["a.keras"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"path": "a.h5"}, "`path` must end in '.keras'"),
            ({"path": "a.keras", "mode": "best"}, "`mode` must be one of"),
            ({"path": "a.keras", "monitor": "psnr"}, "`mode` must be 'min' or 'max'"),
            ({"path": "a.keras", "seconds": -1}, "`seconds` must be non-negative"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            StudentCheckpoint(**arguments)

    def test_a_monitor_that_is_not_there_is_named(self, tmp_path, student):
        callback = StudentCheckpoint(tmp_path / "a.keras", monitor="val_acc")
        with pytest.raises(ValueError, match="Did you mean 'val_accuracy'"):
            epoch_end(callback, student, val_accuracy=0.5, loss=1.0)
