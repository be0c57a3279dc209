"""Layers of several published methods: a guess, a review, a regenerated map."""

from keras_kd import layers
from tests.contracts.layer_row import LayerRow

NO_FEATURE = ((None,), (None, None), (None, 4, 4, None))
NO_MAP = ((None, 8), (None, 5, 8), (None, 2, 2, 2, 8), (None, 4, 4, None))
NO_SIZE = (*NO_FEATURE, (None, 4, 4), (None, 6))
ANY_MAP = (None, None, 2)


def guess(shape, output, symbolic=None, refused=NO_FEATURE, **arguments):
    units = output[-1]
    arguments = {"units": units, **arguments}
    output = [output, (units,)]
    return LayerRow(
        layers.VariationalAdapter, arguments, shape, output, symbolic, refused
    )


def generated(shape, output, symbolic=None, **arguments):
    arguments = {"filters": output[-1], **arguments}
    return LayerRow(layers.MaskedGenerator, arguments, shape, output, symbolic, NO_MAP)


DEEP = [(3, 5, 2), (3, 5, 3), (2, 2, 4)]
MAPS = [(4, 6, 2), (2, 3, 3)]
NO_MAPS = (
    [(None, 4, 6, 2)],
    [(None, 4, 6, 2), (None, 8, 3)],
    [(None, 4, 6, 2), (None, 2, None, 3)],
)


def review(shapes, output, refused=NO_MAPS, **arguments):
    arguments = {"filters": [shape[-1] for shape in output], **arguments}
    return LayerRow(layers.ReviewFusion, arguments, shapes, output, None, refused)


LAYERS = [
    guess((4, 6, 2), (4, 6, 5), ANY_MAP),
    guess((4, 6, 2), (2, 3, 5), ANY_MAP, NO_SIZE, size=(2, 3), hidden=6),
    guess((3, 6), (3, 5), (None, 6), normalize=False, initial_variance=2.0),
    guess((6,), (5,)),
    generated((4, 6, 2), (4, 6, 5), ANY_MAP),
    generated((4, 6, 2), (2, 3, 5), size=(2, 3), keep=0.5, seed=3),
    review(MAPS, [(4, 6, 5), (2, 3, 4)], hidden=8),
    review(MAPS, [(2, 3, 5), (4, 6, 4)], sizes=[(2, 3), (4, 6)], hidden=4),
    review(DEEP, DEEP, (), hidden=4),
    review([(3,), (4, 4, 2)], [(5,), (2, 2, 4)], (), sizes=[None, (2, 2)], hidden=4),
]
