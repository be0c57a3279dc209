"""Students that withstand an attack, and students that learn classes later."""

from __future__ import annotations

import dataclasses

import keras

from keras_kd import DistillationTerm, Distiller, SelfTeacher, methods
from keras_kd.losses import KLDistillation
from keras_kd.regimes import SeparatedSoftmax, widened
from keras_kd.robust import PGD, robust_accuracy

from .setting import Setting, regime

EPSILON, STEPS = 0.1, 3
OLD = 7
"""Classes that are known before the others arrive."""


def _aside(setting: Setting) -> Setting:
    """The same setting, for what is only compared with: its epochs do not count."""
    return dataclasses.replace(setting)


def _under_attack(setting: Setting, terms, objective: str):
    """A student of a robust teacher, and how it fares."""
    teacher = setting.network(2.0, "robust_teacher")
    own = DistillationTerm(KLDistillation(1.0), "adversarial/output", weight=6.0)
    attack = PGD(EPSILON, STEPS, objective="student")
    setting.fit(Distiller(SelfTeacher(), teacher, [own], views={"adversarial": attack}))
    student = setting.student()
    attack = PGD(EPSILON, STEPS, objective=objective)
    setting.fit(
        Distiller(teacher, student, terms, 0.0, views={"adversarial": attack}),
        loss=None,
    )
    plain = _aside(setting).fit(setting.student("plain"))
    told = {
        f"under PGD of ε {EPSILON:g} {{:.1%}}": student,
        "its teacher {:.1%}": teacher,
        "by labels alone {:.1%}": plain,
    }
    test, attack = (setting.x_test, setting.y_test), PGD(EPSILON, 2 * STEPS)
    return student, {
        words: robust_accuracy(model, *test, attack) for words, model in told.items()
    }


@regime("ard", "answers under attack as a robust teacher does without")
def ard(setting: Setting):
    return _under_attack(setting, methods.ard(), "labels")


@regime("rslad", "a robust teacher's soft labels in the attack too")
def rslad(setting: Setting):
    return _under_attack(setting, methods.rslad(), "teacher")


@regime("without_forgetting", "digits 7 to 9 learned later, the old student teaching")
def without_forgetting(setting: Setting):
    old, wider, forgetful = _lasting(setting)
    terms = methods.without_forgetting(OLD)
    new = setting.y >= OLD
    given = setting.x[new], setting.y[new]
    setting.fit(Distiller(old, wider, terms), *given, loss=SeparatedSoftmax(OLD))
    _aside(setting).fit(forgetful, *given)
    return wider, {"by labels alone {:.1%}": setting.accuracy(forgetful)}


def _lasting(setting: Setting) -> tuple[keras.Model, keras.Model, keras.Model]:
    """A student of the first classes, and two wider copies of it."""
    student, seen = setting.student(), setting.y < OLD
    logits = keras.layers.Dense(OLD, name="old_logits")
    embedding = student.get_layer("embedding").output
    old = keras.Model(student.input, logits(embedding), name="old")
    setting.fit(old, setting.x[seen], setting.y[seen])
    return old, widened(old, setting.classes), widened(old, setting.classes)
