"""Several teachers at once, experts of some classes, a teacher who doubts labels."""

from __future__ import annotations

import keras
import numpy as np

from keras_kd import Distiller, DynamicStrength, EnsembleTeacher, FrozenTeacher, methods

from .setting import Setting, regime

FLIPPED = 0.3


def _members(setting: Setting) -> dict[str, keras.Model]:
    """The teacher, and another that saw no more than the student will."""
    other = setting.fit(setting.network(2, "other"))
    return {"teacher": setting.teacher, "other": other}


def _taught(setting: Setting, teacher) -> keras.Model:
    student = setting.student()
    terms = methods.hinton(weight=1.0)
    setting.fit(Distiller(teacher, student, terms))
    return student


@regime("two_teachers", "the mean of two teachers' logits")
def two_teachers(setting: Setting):
    return _taught(setting, EnsembleTeacher(_members(setting)))


@regime("teachers_by_correctness", "each teacher's loss, by how right it is (CA-MKD)")
def teachers_by_correctness(setting: Setting):
    teacher = EnsembleTeacher(_members(setting), "losses", "correctness")
    return _taught(setting, teacher)


@regime("learned_teachers", "the mean of two teachers, their weights learned")
def learned_teachers(setting: Setting):
    teacher = EnsembleTeacher(_members(setting), "probabilities", "learned")
    student = _taught(setting, teacher)
    weights = teacher.learned_weights.items()
    return student, {f"weight of {name} {{:.2f}}": one for name, one in weights}


@regime("expert_teachers", "two teachers who know half of the classes each, no labels")
def expert_teachers(setting: Setting):
    half = setting.classes // 2
    maps = {"low": range(half), "high": range(half, setting.classes)}
    members = {}
    for name, classes in maps.items():
        known = np.isin(setting.y, classes)
        start = setting.network(2, name)
        head = keras.layers.Dense(len(classes), name="own")
        expert = keras.Model(
            start.input, head(start.get_layer("embedding").output), name=name
        )
        setting.fit(expert, setting.x[known], setting.y[known] - classes[0])
        members[name] = FrozenTeacher(expert)
    teacher = EnsembleTeacher(
        members,
        "probabilities",
        "entropy",
        class_maps={name: list(classes) for name, classes in maps.items()},
    )
    student = setting.student()
    terms = methods.hinton(temperature=1.0, weight=1.0)
    distiller = Distiller(teacher, student, terms, hard_loss_weight=0.0)
    setting.fit(distiller, loss=None)
    logits = np.asarray(teacher(setting.x_test)["output"])
    found = np.mean(logits.argmax(-1) == setting.y_test)
    return student, {"both together {:.1%}": found}


def _noisy(setting: Setting) -> np.ndarray:
    """Labels of which some are those of another class."""
    rng = np.random.default_rng(setting.seed)
    wrong = rng.random(len(setting.y)) < FLIPPED
    shift = rng.integers(1, setting.classes, len(setting.y))
    return np.where(wrong, (setting.y + shift) % setting.classes, setting.y)


def _from_noisy(setting: Setting, strength) -> keras.Model:
    student = setting.student()
    terms = methods.hinton(temperature=1.0, weight=1.0)
    distiller = Distiller(setting.teacher, student, terms, strength=strength)
    setting.fit(distiller, y=_noisy(setting))
    return student


@regime("noisy_labels", f"{FLIPPED:.0%} wrong labels, each trusted as the teacher does")
def noisy_labels(setting: Setting):
    student = _from_noisy(setting, DynamicStrength("label_trust"))
    plain = setting.accuracy(_from_noisy(setting, None))
    setting.passes /= 2  # the other student is only for comparison
    return student, {"with equal trust {:.1%}": plain}
