"""Data-free priors; all but one look at a single side."""

from keras_kd import losses
from tests.contracts.loss_row import BATCH, rows


def statistics(rng, batch):
    """A running mean and variance of as many channels as there are examples."""
    return [x.astype("float32") for x in rng.uniform(0.5, 1.5, (2, BATCH))]


ALONE = {"minimum": None, "wrong": []}

LOSSES = [
    *rows(
        losses.BatchNormStatistics,
        shape=(3, 2, BATCH),
        targets_of=statistics,
        minimum=None,
        wrong=[(3, 2, BATCH + 1)],
        looks_around=True,
        order_matters=True,
    ),
    *rows(losses.ClassConfidence, **ALONE),
    *rows(losses.ClassBalance, looks_around=True, **ALONE),
    *rows(losses.ActivationNorm, shape=(3, 2, 5), **ALONE),
    *rows(losses.TotalVariation, shape=(3, 4, 2), **ALONE),
    *rows(
        losses.TotalVariation,
        {"mode": "deep_inversion"},
        shape=(3, 4, 2),
        looks_around=True,
        **ALONE,
    ),
    *rows(losses.Adversarial, {}, {"metric": "l1"}, minimum=None),
]
