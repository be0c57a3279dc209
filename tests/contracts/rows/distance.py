"""Losses between networks whose layers do not correspond."""

from keras_kd import losses
from tests.contracts.loss_row import rows

PAIRS = [(3, 2, 4), (5,)]

LOSSES = rows(
    losses.CrossLayer,
    shape=PAIRS,
    student_shape=[*PAIRS, (1, 2)],
    minimum=None,
    # A pair less, weights for another number of pairs, other channels.
    wrong=[[(5,), (1, 2)], [*PAIRS, (2, 2)], [(3, 2, 1), (5,), (1, 2)]],
) + rows(
    losses.CrossLayer,
    shape=[(6,), (6,)],
    student_shape=[(6,), (6,), (2, 1)],
    minimum=None,
    wrong=[[(6,), (6,), (2,)]],
)
