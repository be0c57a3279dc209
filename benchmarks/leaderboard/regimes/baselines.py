"""What the regimes are compared with."""

from __future__ import annotations

from keras_kd import Distiller, methods

from .setting import Setting, regime


@regime("labels_only", "the student by itself")
def labels_only(setting: Setting):
    return setting.fit(setting.student())


@regime("one_teacher", "one teacher, KL at temperature 4")
def one_teacher(setting: Setting):
    student = setting.student()
    setting.fit(Distiller(setting.teacher, student, methods.hinton(weight=1.0)))
    return student
