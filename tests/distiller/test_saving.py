"""A saved Distiller: everything but the teacher, who is handed in again."""

import zipfile

import keras
import numpy as np
import pytest

from keras_kd import Agreement, DistillationTerm, Distiller, methods
from keras_kd.losses import Hint, KLDistillation
from tests.models import cnn, cross_entropy, scores


def trained(images, **kwargs):
    teacher = cnn("t", 8, seed=1)
    terms = [
        *methods.hinton(temperature=keras.optimizers.schedules.CosineDecay(4.0, 100)),
        *methods.fitnets({"body": "body"}),
        DistillationTerm(Hint("cosine"), "gap", "gap", weight=0.5),
        DistillationTerm("mae", name="gap"),
    ]
    distiller = Distiller(teacher, cnn("s"), terms, hard_loss_weight=0.3)
    distiller.compile(
        keras.optimizers.Adam(0.01),
        cross_entropy(),
        metrics=["accuracy", Agreement(name="same")],
        **kwargs,
    )
    distiller.fit(*images, batch_size=16, verbose=0)
    return teacher, distiller


def test_load_and_go_on(images, tmp_path):
    teacher, distiller = trained(images)
    distiller.terms[0].weight.assign(0.25)
    distiller.save(tmp_path / "d.keras")
    loaded = Distiller.load(tmp_path / "d.keras", teacher)
    assert float(loaded.terms[0].weight) == 0.25
    assert scores(loaded, *images) == pytest.approx(scores(distiller, *images))
    for model in (distiller, loaded):
        model.fit(*images, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(distiller.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_keras_loads_it_and_asks_for_the_teacher(images, tmp_path):
    teacher, distiller = trained(images)
    distiller.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    np.testing.assert_array_equal(
        loaded.predict(images[0], verbose=0), distiller.predict(images[0], verbose=0)
    )
    with pytest.raises(ValueError, match="set `distiller.teacher = teacher`"):
        loaded.fit(*images, verbose=0)
    loaded.teacher = teacher
    loaded.fit(*images, verbose=0)


def test_the_file_does_not_hold_the_teacher(images, tmp_path):
    teacher, distiller = trained(images)
    distiller.save(tmp_path / "d.keras")
    with zipfile.ZipFile(tmp_path / "d.keras") as file:
        weights = file.getinfo("model.weights.h5").file_size
        assert b'"t"' not in file.read("config.json")
    x = keras.layers.Dense(3000)(teacher.output)
    distiller.teacher = keras.Model(teacher.input, keras.layers.Dense(5)(x))
    distiller.save(tmp_path / "again.keras")
    with zipfile.ZipFile(tmp_path / "again.keras") as file:
        assert file.getinfo("model.weights.h5").file_size == weights


def test_the_student_alone_is_a_plain_model(images, tmp_path):
    _, distiller = trained(images)
    distiller.student.save(tmp_path / "s.keras")
    with zipfile.ZipFile(tmp_path / "s.keras") as file:
        assert b"keras_kd" not in file.read("config.json")
    student = keras.saving.load_model(tmp_path / "s.keras")
    np.testing.assert_array_equal(
        student.predict(images[0], verbose=0),
        distiller.student.predict(images[0], verbose=0),
    )
    assert [layer.name for layer in student.layers[1:]] == [
        "c",
        "bn",
        "body",
        "gap",
        "head",
    ]


def test_weights_alone(images, tmp_path):
    _, distiller = trained(images)
    distiller.save_weights(tmp_path / "d.weights.h5")
    other = Distiller(
        cnn("t", 8, seed=1),
        cnn("s", seed=7),
        [
            *methods.hinton(),
            *methods.fitnets({"body": "body"}),
            DistillationTerm(Hint("cosine"), "gap", "gap"),
            DistillationTerm("mae", name="gap"),
        ],
    )
    other.load_weights(tmp_path / "d.weights.h5")
    for a, b in zip(distiller.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    "term",
    [
        DistillationTerm(KLDistillation(2.0), weight=0.5),
        DistillationTerm("mse", "a", ["b", "c"], adapter=None),
        DistillationTerm(
            Hint(), "a", "b", adapter=keras.layers.Dense(3), name="custom"
        ),
    ],
)
def test_a_term_alone(term):
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(term)
    )
    assert copy.get_config() == term.get_config()
    assert (copy.student, copy.teacher) == (term.student, term.teacher)
