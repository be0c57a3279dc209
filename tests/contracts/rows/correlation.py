"""Logit losses that relate the predictions of a batch."""

from keras_kd import losses
from tests.contracts.loss_row import rows

SEQUENCES = {"shape": (3, 5), "positions": (3,), "looks_around": True}

LOSSES = [
    *rows(losses.DIST, {"gamma": 0.0, "beta": 2.0}),
    *rows(losses.DIST, {"gamma": 0.5, "temperature": 0.5}, **SEQUENCES),
    *rows(
        losses.MultiLevelKD,
        {"base_temperature": 1.0, "temperatures": [3.0], "every_temperature": False},
        shape=(3,),
        looks_around=True,
    ),
    *rows(losses.MultiLevelKD, {"standardize": True, "temperatures": []}, **SEQUENCES),
]
