"""Hidden states, attention and the relations of tokens."""

from keras_kd import losses
from tests.contracts.loss_row import rows

HEADS = {"shape": (5, 2, 4), "positions": (5,)}
RESPLIT = {"shape": (5, 3, 4), "student_shape": (5, 2, 4), "minimum": None}

LOSSES = [
    *rows(losses.HiddenState, shape=(5, 6), positions=(5,)),
    *rows(
        losses.AttentionMatrix,
        shape=(2, 5, 5),
        positions=(5,),
        along=((2,), (3,)),
        wrong=[(3, 5, 5), (2, 5, 4), (5, 5)],
    ),
    *rows(losses.AttentionMatrix, shape=(2, 3, 5), positions=(2, 3, 5)),
    *rows(losses.ValueRelation, **HEADS, wrong=[(4, 2, 4), (5, 1, 4), (5,)]),
    *rows(losses.ValueRelation, {"heads": 4}, positions=(5,), **RESPLIT),
    *rows(losses.QueryKeyRelation, **HEADS),
    *rows(
        losses.QueryKeyRelation,
        {},
        {"relation": "attention", "heads": 4},
        shape=[(5, 2, 4), (5, 2, 4)],
        positions=(5,),
    ),
    *rows(losses.Patient),
    *rows(losses.Patient, shape=[(3, 6), (6,)], wrong=[[(3, 6), (5,)]]),
]
