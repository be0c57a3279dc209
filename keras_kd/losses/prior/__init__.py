"""What images made without data should be like: data-free priors.

The gradient flows into what they look at, by which a generator learns.
"""

from keras_kd.losses.prior.activity import ActivationNorm, activation_norm
from keras_kd.losses.prior.confidence import (
    ClassBalance,
    ClassConfidence,
    class_balance,
    class_confidence,
)
from keras_kd.losses.prior.opposition import Adversarial, adversarial
from keras_kd.losses.prior.smoothness import TotalVariation, total_variation
from keras_kd.losses.prior.statistics import (
    BatchNormStatistics,
    batch_norm_statistics,
)

__all__ = [
    "ActivationNorm",
    "Adversarial",
    "BatchNormStatistics",
    "ClassBalance",
    "ClassConfidence",
    "TotalVariation",
    "activation_norm",
    "adversarial",
    "batch_norm_statistics",
    "class_balance",
    "class_confidence",
    "total_variation",
]
