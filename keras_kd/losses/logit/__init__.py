"""What a teacher says about the classes: losses over logits."""

from keras_kd.losses.logit.kl import (
    KLDistillation,
    kl_divergence,
    standardize_logits,
)

__all__ = ["KLDistillation", "kl_divergence", "standardize_logits"]
