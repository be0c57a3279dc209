"""Published recipes: functions that return the terms of a method.

`Distiller(teacher, student, methods.hinton())` is all that a user writes.
"""

from keras_kd.methods.boundaries import ab, overhaul
from keras_kd.methods.channels import cwd, inter_channel, pkd
from keras_kd.methods.contrastive import crd, info_nce
from keras_kd.methods.distance import attention_fusion, semckd
from keras_kd.methods.divergences import (
    generalized_jsd,
    logit_regression,
    reverse_kl,
    top_k,
)
from keras_kd.methods.feature import (
    attention_transfer,
    factor_transfer,
    fitnets,
    fsp,
    nst,
)
from keras_kd.methods.fusion import mgd, review, vid
from keras_kd.methods.lasting import without_forgetting
from keras_kd.methods.logit import (
    curriculum_temperature,
    decoupled_kd,
    dist,
    hinton,
    multi_level,
    standardized_kd,
    weighted_soft_label,
)
from keras_kd.methods.online import (
    agreement,
    be_your_own_teacher,
    mean_teacher,
    mutual,
    one,
    teacher_free,
)
from keras_kd.methods.relation import (
    correlation_congruence,
    pkt,
    rkd,
    similarity_preserving,
)
from keras_kd.methods.robust import ard, rslad
from keras_kd.methods.sequence import bert_pkd, minilm, tinybert
from keras_kd.methods.simkd import ReuseCost, reuse_classifier, simkd

__all__ = [
    "ReuseCost",
    "ab",
    "agreement",
    "ard",
    "attention_fusion",
    "attention_transfer",
    "be_your_own_teacher",
    "bert_pkd",
    "correlation_congruence",
    "crd",
    "curriculum_temperature",
    "cwd",
    "decoupled_kd",
    "dist",
    "factor_transfer",
    "fitnets",
    "fsp",
    "generalized_jsd",
    "hinton",
    "info_nce",
    "inter_channel",
    "logit_regression",
    "mean_teacher",
    "mgd",
    "minilm",
    "multi_level",
    "mutual",
    "nst",
    "one",
    "overhaul",
    "pkd",
    "pkt",
    "reuse_classifier",
    "reverse_kl",
    "review",
    "rkd",
    "rslad",
    "semckd",
    "similarity_preserving",
    "simkd",
    "standardized_kd",
    "teacher_free",
    "tinybert",
    "top_k",
    "vid",
    "weighted_soft_label",
    "without_forgetting",
]
