"""Students made from their teacher, at the parameters of the board's student."""

from __future__ import annotations

from keras_kd import Distiller, methods
from keras_kd.students import Budget, slim, suggest

from .setting import Setting, regime


def _slim(setting: Setting, inherit: bool):
    budget = Budget(parameters=setting.student().count_params())
    best = suggest(setting.teacher, budget, depths=(1.0,)).best
    student = slim(setting.teacher, best.width, best.depth, inherit)
    setting.fit(Distiller(setting.teacher, student, methods.hinton(weight=1.0)))
    return student, {
        f"width {best.width}": 1.0,
        "{:,.0f} parameters": best.cost.parameters,
    }


@regime("slim_new", "the teacher made narrower, with new weights, under the teacher")
def slim_new(setting: Setting):
    return _slim(setting, inherit=False)


@regime("slim_inherited", "the same with the teacher's weights of largest norm")
def slim_inherited(setting: Setting):
    return _slim(setting, inherit=True)
