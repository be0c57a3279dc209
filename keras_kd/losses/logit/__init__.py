"""What a teacher says about the classes: losses over logits."""

from keras_kd.losses.logit.correlation import (
    DIST,
    dist,
)
from keras_kd.losses.logit.decoupled import (
    DecoupledKD,
    decoupled_kd,
)
from keras_kd.losses.logit.divergences import (
    GeneralizedJSD,
    ReverseKL,
    SymmetricKL,
    generalized_jsd,
    reverse_kl,
    symmetric_kl,
)
from keras_kd.losses.logit.kl import (
    KLDistillation,
    kl_divergence,
    standardize_logits,
)
from keras_kd.losses.logit.multi_level import (
    MultiLevelKD,
    batch_correlation,
    class_correlation,
)
from keras_kd.losses.logit.regression import (
    HingeDistillation,
    LogitMSE,
    hinge,
    logit_mse,
)
from keras_kd.losses.logit.top_k import (
    TopKDistillation,
    top_k_cross_entropy,
)
from keras_kd.losses.logit.weighted import (
    WeightedSoftLabel,
    weighted_soft_label,
)

__all__ = [
    "DIST",
    "DecoupledKD",
    "GeneralizedJSD",
    "HingeDistillation",
    "KLDistillation",
    "LogitMSE",
    "MultiLevelKD",
    "ReverseKL",
    "SymmetricKL",
    "TopKDistillation",
    "WeightedSoftLabel",
    "batch_correlation",
    "class_correlation",
    "decoupled_kd",
    "dist",
    "generalized_jsd",
    "hinge",
    "kl_divergence",
    "logit_mse",
    "reverse_kl",
    "standardize_logits",
    "symmetric_kl",
    "top_k_cross_entropy",
    "weighted_soft_label",
]
