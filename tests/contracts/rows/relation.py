"""Distances, angles, similarities, correlations and neighbourhoods of a batch."""

from keras_kd import losses
from tests.contracts.loss_row import rows

ROWS = {"student_shape": (4,), "minimum": None, "looks_around": True}

LOSSES = [
    *rows(losses.RelationalKD, {"distance": 1.0, "angle": 2.0}, looks_around=True),
    *rows(losses.RelationalKD, {"angle": 0.0}, shape=(3, 2, 5), **ROWS),
    *rows(losses.SimilarityPreserving, looks_around=True),
    *rows(losses.SimilarityPreserving, shape=(3, 2, 5), **ROWS),
    *rows(
        losses.CorrelationCongruence,
        {"kernel": "bilinear"},
        {"gamma": 1.0, "order": 4},
        looks_around=True,
    ),
    *rows(losses.CorrelationCongruence, shape=(3, 2, 5), **ROWS),
    *rows(losses.ProbabilisticTransfer, looks_around=True),
    *rows(losses.ProbabilisticTransfer, shape=(3, 2, 5), **ROWS),
]
