"""Attention, factors, kernels and flows of maps."""

from keras_kd import losses
from tests.contracts.loss_row import rows

SHAPE, LARGER = (3, 4, 2), (5, 4, 3)
NO_MAPS = [(3, 4), (3, 4, 2, 1), (2,)]

LOSSES = [
    *rows(losses.AttentionTransfer, {}, {"power": 3.0}, {"mode": "paper"}, shape=SHAPE),
    *rows(losses.FactorTransfer, shape=SHAPE, wrong=NO_MAPS),
    *rows(losses.FactorTransfer, {"mode": "paper"}, shape=SHAPE),
    # As many positions as channels: the kernel's other road.
    *rows(losses.NeuronSelectivity, shape=(1, 3, 3)),
    *rows(losses.NeuronSelectivity, shape=SHAPE, student_shape=LARGER, minimum=None),
    *rows(losses.FlowOfSolution, shape=[(4, 5, 2), (3, 4, 3)]),
    *rows(losses.InterChannel, shape=(3, 4, 3)),
]
