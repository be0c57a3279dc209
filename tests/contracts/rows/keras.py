"""Losses of Keras's own, wrapped."""

import keras

from keras_kd import losses
from tests.contracts.loss_row import rows


@keras.saving.register_keras_serializable(package="tests")
def mean_gap(teacher, student):
    """What a user may pass to `KerasLoss`: one value per example."""
    return keras.ops.mean(keras.ops.abs(teacher - student), axis=-1)


LOSSES = [
    *rows(
        losses.KerasLoss,
        {"loss": "mse"},
        {"loss": mean_gap},
        {"loss": keras.losses.LogCosh()},
        shape=(3, 5),
        positions=(3,),
    ),
    *rows(losses.KerasLoss, {"loss": "mae"}, shape=(2, 3, 4), positions=(2, 3)),
]
