"""Temperature KL."""

from keras_kd import losses
from tests.contracts.loss_row import rows

LOSSES = [
    *rows(
        losses.KLDistillation,
        {"temperature": 4.0},
        {"temperature": 0.5},
        {"temperature": 2.0, "standardize": True},
    ),
    *rows(losses.KLDistillation, shape=(3, 5), positions=(3,)),
]
