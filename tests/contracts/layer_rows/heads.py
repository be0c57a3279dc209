"""Heads that classify: in the middle of a network, and over several networks."""

from keras_kd import layers
from tests.contracts.layer_row import LayerRow


def exit_head(shape, refused=(), symbolic=None, **arguments):
    arguments = {"classes": 5, **arguments}
    output = (arguments["classes"],)
    return LayerRow(layers.AuxiliaryHead, arguments, shape, output, symbolic, refused)


def ensemble(shapes, refused=(), **arguments):
    return LayerRow(layers.EnsembleHead, arguments, shapes, shapes[-1], None, refused)


NO_FEATURE = ((None,), (None, 4, 4, None), (None, 2, 2, 2, 8))
NO_LOGITS = (
    [(None, 4)],
    [(None, 4), (None, 5)],
    [(None, 3, 4), (None, 3, 4)],
    [(None, None), (None, None)],
)
NO_GATE = ([(None, 4), (None, 5)], [(None, None), (None, 5), (None, 5)])

LAYERS = [
    exit_head((8, 6, 4), NO_FEATURE, (None, None, 4)),
    exit_head((8, 6, 4), filters=7, blocks=2, activation="tanh"),
    exit_head((3, 6), filters=7, classes=4),
    exit_head((6,), blocks=2),
    ensemble([(4,), (4,)], NO_LOGITS),
    ensemble([(4,), (4,), (4,)], normalize=False),
    ensemble([(2, 3, 6), (5,), (5,)], NO_GATE, shared_feature=True),
    ensemble([(6,), (5,), (5,)], shared_feature=True, normalize=False),
]
