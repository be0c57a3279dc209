"""Distances between features."""

from keras_kd import losses
from tests.contracts.loss_row import rows

METRICS = [{"metric": metric} for metric in ("mse", "l1", "l2", "cosine")]
ANGLE = {"metric": "angle", "angle_weight": 2.0}

LOSSES = [
    *rows(losses.Hint, *METRICS, ANGLE, shape=(3, 2, 5), positions=(3, 2)),
    *rows(losses.Hint, {"metric": "l2"}, shape=(3, 5), positions=(3,)),
    *rows(losses.Hint),
]
