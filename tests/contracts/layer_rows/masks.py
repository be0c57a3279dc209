"""A feature with the padding mask of another."""

from keras_kd import layers
from tests.contracts.layer_row import Fresh, LayerRow


def dense(**dtype):
    return layers.DenseAdapter(5, **dtype)


LAYERS = [
    LayerRow(
        layers.MaskFrom,
        {"adapter": Fresh(dense)},
        [(4, 3), (4, 2)],
        (4, 5),
        [(None, 3), (None, 2)],
        refused=((None, 4, 3),),
        passes_gradient=False,
    ),
]
