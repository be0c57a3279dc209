"""Logit losses that look at the label."""

from keras_kd import losses
from tests.contracts.loss_row import BATCH, rows


def classes(*positions):
    """Labels of six classes, one per position."""
    return lambda rng: rng.integers(0, 6, (BATCH, *positions))


def one_hot(rng):
    return rng.permutation(6)[:BATCH, None] == range(6)


WEIGHTS = {"alpha": 2.0, "beta": 0.5, "temperature": 1.0}
STANDARDIZED = {"temperature": 2.0, "standardize": True}
SEQUENCES = {"shape": (3, 6), "positions": (3,), "labels": classes(3)}
CROSS_ENTROPY = {"minimum": None}

LOSSES = [
    *rows(losses.DecoupledKD, WEIGHTS, labels=one_hot),
    *rows(losses.DecoupledKD, STANDARDIZED, **SEQUENCES),
    *rows(
        losses.WeightedSoftLabel,
        {"temperature": 1.0},
        labels=one_hot,
        **CROSS_ENTROPY,
    ),
    *rows(losses.WeightedSoftLabel, **CROSS_ENTROPY, **SEQUENCES),
]
