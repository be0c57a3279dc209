"""Losses over what a layer guessed or regenerated from the student's feature."""

from keras_kd import losses
from tests.contracts.loss_row import rows

# Another mean, a scale of other channels, a scale of another rank.
WRONG = [[(3, 2, 4), (4,)], [(3, 2, 5), (4,)], [(3, 2, 5), (1, 5)]]

LOSSES = [
    *rows(
        losses.VariationalInformation,
        shape=(3, 2, 5),
        student_shape=[(3, 2, 5), (5,)],
        minimum=None,
        wrong=WRONG,
    ),
    *rows(
        losses.VariationalInformation,
        student_shape=[(6,), (6,)],
        minimum=None,
        wrong=[[(5,), (5,)], [(6,), (1,)]],
    ),
    *rows(losses.MaskedGenerative, shape=(8, 6, 8)),
    *rows(losses.MaskedGenerative, {"alpha": 0.1}),
]
