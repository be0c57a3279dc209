"""The temperature that learns."""

from keras_kd import layers
from tests.contracts.layer_row import SCALAR, LayerRow

LAYERS = [
    LayerRow(
        layers.LearnedTemperature,
        {"initial": 4.0, "minimum": 2.0, "maximum": 9.0, "strength": 0.5},
        shape=(5,),
        student=(5,),
        output=SCALAR,
        passes_gradient=False,
        always_float32=True,
    )
]
