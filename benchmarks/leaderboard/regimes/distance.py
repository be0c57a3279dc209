"""Teachers and students far apart: in size, or in kind."""

from __future__ import annotations

from keras_kd import Distiller, callbacks, methods, regimes

from .setting import Setting, regime

STAGES = ["stage_1", "stage_2", "stage_3"]
WIDTH, UNLIKE = 2.0, 32


def _terms(teacher=None, student=None):
    return methods.hinton(weight=1.0)


@regime("assistant", "teacher → a student twice as wide → student (TAKD)")
def assistant(setting: Setting):
    return _chain(setting, dense=False)


@regime("dense_assistant", "the same, the student hears both (DGKD)")
def dense_assistant(setting: Setting):
    return _chain(setting, dense=True)


@regime("learned_matching", "which teacher layer teaches which is learned (SemCKD)")
def learned_matching(setting: Setting):
    student = setting.student()
    terms = methods.semckd(STAGES, STAGES, weight=10.0) + _terms()
    distiller = setting.fit(Distiller(setting.teacher, student, terms))
    found = regimes.layer_matching(distiller, setting.x_test[:256])
    return student, {f"{s} ← {t}": 1.0 for s, t in found.strongest.items()}


@regime("low_to_high", "attention maps from low to high, then answers and labels")
def low_to_high(setting: Setting):
    student = setting.student()
    groups = [methods.attention_transfer({s: s}, weight=50.0) for s in STAGES[:2]]
    groups.append(_terms())
    each = max(1, setting.board.learning.epochs // 6)
    stages = callbacks.low_to_high(groups, epochs=each, hard_loss=True)
    terms = [term for group in groups for term in group]
    setting.fit(Distiller(setting.teacher, student, terms), callbacks=[stages])
    return student


@regime("vit_teacher", "a ViT teaches the same student, answers alone")
def vit_teacher(setting: Setting):
    return _from_vit(setting, [])


@regime("vit_teacher_fused", "and its tokens, by attention over the student's maps")
def vit_teacher_fused(setting: Setting):
    return _from_vit(
        setting, methods.attention_fusion({tuple(STAGES): "tokens_3"}, weight=1.0)
    )


def _chain(setting, dense):
    students = [setting.network(WIDTH, "assistant"), setting.student()]
    made = regimes.distill_chain(
        setting.teacher, students, _terms, setting.fit, dense=dense
    )
    (first,) = made.assistants
    return made.student, {"the assistant {:.1%}": setting.accuracy(first)}


def _from_vit(setting, terms):
    vit = setting.fit(setting.other_kind("vit", UNLIKE, "vit"))
    student = setting.student()
    setting.fit(Distiller(vit, student, terms + _terms()))
    return student, {"the ViT {:.1%}": setting.accuracy(vit)}
