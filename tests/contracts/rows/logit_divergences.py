"""Divergences other than the forward KL, regression of logits, the top k."""

import numpy as np

from keras_kd import losses
from tests.contracts.loss_row import LossRow, rows

SEQUENCES = {"shape": (3, 5), "positions": (3,)}


def stored(rng, batch):
    """The largest probabilities of two positions, as a store keeps them."""
    indices = np.argsort(rng.random((batch, 2, 6)), axis=-1)[..., :3]
    values = rng.dirichlet(np.ones(6), (batch, 2))[..., :3]
    return {"values": values.astype("float32"), "indices": indices.astype("float32")}


LOSSES = [
    *rows(losses.ReverseKL, {"temperature": 1.0}, {"temperature": 4.0}),
    *rows(losses.ReverseKL, {"temperature": 2.0}, **SEQUENCES),
    *rows(losses.SymmetricKL, {}, {"temperature": 2.0, "balance": 0.25}),
    *rows(losses.SymmetricKL, **SEQUENCES),
    *rows(
        losses.GeneralizedJSD,
        {},
        {"beta": 0.0, "temperature": 1.0},
        {"beta": 1.0, "temperature": 2.0},
        {"beta": 0.1},
    ),
    *rows(losses.GeneralizedJSD, **SEQUENCES),
    *rows(losses.LogitMSE),
    *rows(losses.LogitMSE, **SEQUENCES),
    *rows(losses.HingeDistillation, {"margin": 0.0}),
    *rows(losses.HingeDistillation, {"margin": 0.25}, minimum=0.5),
    *rows(losses.HingeDistillation, {"balance": 0.5}, minimum=None),
    *rows(losses.HingeDistillation, {"margin": 0.0}, **SEQUENCES),
    *rows(losses.TopKDistillation, {"k": 2}, {"k": 6}, minimum=None),
    *rows(losses.TopKDistillation, {"k": 3}, minimum=None, **SEQUENCES),
    LossRow(
        losses.TopKDistillation,
        {"k": 3},
        shape=(2, 6),
        student_shape=(2, 6),
        targets_of=stored,
        minimum=None,
        positions=(2,),
        wrong=[(2, 2), (6,)],
    ),
]
