"""Formulas: teacher tensor, student tensor → one value per example."""

from keras_kd.losses.feature import Hint, hint
from keras_kd.losses.keras_loss import KerasLoss
from keras_kd.losses.logit import KLDistillation, kl_divergence, standardize_logits
from keras_kd.losses.loss import DistillationLoss

__all__ = [
    "DistillationLoss",
    "Hint",
    "KLDistillation",
    "KerasLoss",
    "hint",
    "kl_divergence",
    "standardize_logits",
]
