"""Layers that choose among classes."""

from keras_kd import layers
from tests.contracts.layer_row import LayerRow

TOO_FEW = ((None,), (None, None), (None, 4), (None, 3, 4))

LAYERS = [
    LayerRow(layers.ClassMap, {"indices": [4, 0]}, (6,), (2,), None, TOO_FEW),
    LayerRow(
        layers.ClassMap, {"indices": [1, 4, 2]}, (3, 5), (3, 3), (None, 5), TOO_FEW
    ),
]
