"""Without a trained teacher: peers, branches, exits, the own past, generations."""

from __future__ import annotations

from keras import ops

from keras_kd import Cohort, Distiller, EMATeacher, SelfTeacher, VirtualTeacher, methods
from keras_kd.layers import AuxiliaryHead
from keras_kd.regimes import born_again
from keras_kd.schedules import Ramp
from keras_kd.students import branches, with_exits

from .setting import Setting, regime


@regime("mutual", "two peers that learn side by side, KL both ways")
def mutual(setting: Setting):
    return _side_by_side(setting, 1.0)


@regime("mutual_unlike", "as `mutual`, the other peer twice as wide")
def mutual_unlike(setting: Setting):
    return _side_by_side(setting, 2.0)


@regime("native_ensemble", "three branches on one trunk, taught by their ensemble")
def native_ensemble(setting: Setting):
    student = setting.student()
    branched = branches(student, "stage_1", 3)
    setting.fit(Distiller(SelfTeacher(), branched, methods.one(branched)))
    said = branched.predict(setting.x_test, batch_size=500, verbose=0)["ensemble"]
    right = (said.argmax(-1) == setting.y_test).mean()
    return student, {"the ensemble {:.1%}": right}


@regime("own_teacher", "exits at two stages, taught by the student's end")
def own_teacher(setting: Setting):
    student = setting.student()
    taps = {"exit_1": "stage_1", "exit_2": "stage_2"}
    exits = with_exits(student, taps, head=lambda n: AuxiliaryHead(n, filters=16))
    terms = methods.be_your_own_teacher(exits, feature="student/embedding")
    setting.fit(Distiller(SelfTeacher(), exits, terms))
    first = setting.accuracy(exits.early_exit("exit_1"))
    early = exits.predict_early(setting.x_test, threshold=0.9, batch_size=500)
    right = (early.logits.argmax(-1) == setting.y_test).mean()
    left = early.shares["exit_1"] + early.shares["exit_2"]
    return student, {
        "exit 1 alone {:.1%}": first,
        "stopping where sure {:.1%}": right,
        "{:.0%} of the images early": left,
    }


@regime("mean_teacher", "labels, and the average of the student's past")
def mean_teacher(setting: Setting):
    teacher, student = EMATeacher(decay=0.98), setting.student()
    views = {"shifted": _shifted}
    terms = methods.mean_teacher("shifted", weight=_rising(setting))
    setting.fit(Distiller(teacher, student, terms, views=views))
    return student, {"the average itself {:.1%}": setting.accuracy(teacher.model)}


@regime("agreement", "labels, and agreement of the image with its shifted copy")
def agreement(setting: Setting):
    student = setting.student()
    terms = methods.agreement("shifted", weight=_rising(setting))
    setting.fit(Distiller(SelfTeacher(), student, terms, views={"shifted": _shifted}))
    return student


@regime("generations", "three born-again generations")
def generations(setting: Setting):
    found = born_again(lambda number: setting.student(f"born_{number}"), setting.fit, 3)
    first, second = (setting.accuracy(model) for model in found[:2])
    return found[-1], {"before it {:.1%}": first, "{:.1%} after one": second}


@regime("teacher_free", "labels, and a virtual teacher 99 % sure of them")
def teacher_free(setting: Setting):
    student, terms = setting.student(), methods.teacher_free()
    setting.fit(Distiller(VirtualTeacher(), student, terms, hard_loss_weight=0.9))
    return student


def _side_by_side(setting, width):
    cohort = Cohort({"a": setting.student("a"), "b": setting.network(width, "b")})
    setting.fit(Distiller(SelfTeacher(), cohort, methods.mutual(cohort)))
    student, other = cohort.peers.values()
    return student, {"the other peer {:.1%}": setting.accuracy(other)}


def _rising(setting):
    """A weight that rises from 0 to 1 while the student finds its feet."""
    return Ramp(0.0, 1.0, setting.board.learning.epochs)


def _shifted(images):
    """Each image a pixel further to the right."""
    return ops.roll(images, 1, axis=2)
