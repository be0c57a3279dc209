"""Published recipes: functions that return the terms of a method.

`Distiller(teacher, student, methods.hinton())` is all that a user writes.
"""

from keras_kd.methods.boundaries import ab, overhaul
from keras_kd.methods.channels import cwd, inter_channel, pkd
from keras_kd.methods.contrastive import crd, info_nce
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
from keras_kd.methods.logit import (
    curriculum_temperature,
    decoupled_kd,
    dist,
    hinton,
    multi_level,
    standardized_kd,
    weighted_soft_label,
)
from keras_kd.methods.relation import (
    correlation_congruence,
    pkt,
    rkd,
    similarity_preserving,
)
from keras_kd.methods.sequence import bert_pkd, minilm, tinybert
from keras_kd.methods.simkd import ReuseCost, reuse_classifier, simkd

__all__ = [
    "ReuseCost",
    "ab",
    "attention_transfer",
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
    "mgd",
    "minilm",
    "multi_level",
    "nst",
    "overhaul",
    "pkd",
    "pkt",
    "reuse_classifier",
    "reverse_kl",
    "review",
    "rkd",
    "similarity_preserving",
    "simkd",
    "standardized_kd",
    "tinybert",
    "top_k",
    "vid",
    "weighted_soft_label",
]
