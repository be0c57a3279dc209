"""Layers of contrastive distillation: embeddings, and the memory of them."""

import numpy as np

from keras_kd import layers
from tests.contracts.layer_row import LayerRow

NO_FEATURE = ((None,), (None, None), (None, 5, 8), (None, 4, 4, None))


def head(shape, symbolic=None, **arguments):
    output = (arguments.get("units", 128),)
    row = shape, output, symbolic, NO_FEATURE
    return LayerRow(layers.ProjectionHead, arguments, *row)


def memory(columns, **arguments):
    extra = {
        "labels": lambda rng, batch: np.arange(batch) % 3,
        "index": lambda rng, batch: 4 * np.arange(batch) + 1,
    }
    wrong = (
        ((None, 6), (None, 5)),
        ((None, 2, 6), (None, 2, 6)),
        ((None, None), (None, None)),
    )
    return LayerRow(
        layers.MemoryBank,
        arguments,
        (6,),
        [(1 + columns,)] * 2,
        refused=wrong,
        student=(6,),
        extra=extra,
        always_float32=True,
    )


LAYERS = [
    head((6,)),
    head((6,), units=4, hidden=5, activation="tanh"),
    head((4, 6, 2), (None, None, 2), units=3, normalize=False),
    memory(20, capacity=20),
    memory(7, capacity=20, negatives=7, seed=2, momentum=0.9),
    memory(10, capacity=10, negatives=None, by_class=False, temperature=0.5),
    memory(5, capacity=8, by_index=False, negatives=5),
]
