"""Contrast: among the batch, and against a memory's scores."""

from keras_kd import losses
from tests.contracts.loss_row import rows

LOSSES = [
    *rows(losses.InfoNCE, {}, {"temperature": 0.5}, minimum=None, looks_around=True),
    *rows(losses.ContrastiveRepresentation, {"samples": 20}, shape=(7,), minimum=None),
]
