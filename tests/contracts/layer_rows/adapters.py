"""Layers that bring a student's feature to a teacher's shape."""

from keras_kd import layers
from tests.contracts.layer_row import Fresh, LayerRow

NO_MAP = ((None, 8), (None, 5, 8), (None, 2, 2, 2, 8), (None, 4, 4, None))
NO_VECTOR = ((None,), (None, None), (None, 4, None))
NO_TOKENS = ((None, 16), (None, 4, 4, 8), (None, None, 8), (None, 16, None))
NO_GRID = (*NO_MAP, (None, None, None, 8), (None, 4, None, 8))


def feature(shape, output, symbolic=None, refused=NO_MAP, **arguments):
    arguments = {"filters": output[-1], **arguments}
    return LayerRow(layers.FeatureAdapter, arguments, shape, output, symbolic, refused)


def dense(shape, output, symbolic=None, **arguments):
    arguments = {"units": output[-1], **arguments}
    return LayerRow(layers.DenseAdapter, arguments, shape, output, symbolic, NO_VECTOR)


def token(to, shape, output, refused, **arguments):
    arguments = {"units": output[-1], "to": to, **arguments}
    return LayerRow(layers.TokenAdapter, arguments, shape, output, None, refused)


def pair(**dtype):
    return [
        layers.FeatureAdapter(5, activation=None, **dtype),
        layers.DenseAdapter(4, **dtype),
    ]


def one_of_two(**dtype):
    return [None, layers.FeatureAdapter(5, size=(2, 2), **dtype)]


ANY_MAP = (None, None, 2)
POOL_REFUSES = (*NO_MAP, (None, None, None, 2), (None, 1, 4, 2))
NO_SQUARE = (*NO_TOKENS, (None, 15, 4))

LAYERS = [
    feature((4, 6, 2), (4, 6, 5), ANY_MAP),
    feature((4, 6, 2), (4, 6, 5), ANY_MAP, normalize=False, activation=None),
    feature((4, 6, 2), (2, 3, 5), size=(2, 3), activation="tanh"),
    feature((4, 6, 2), (2, 2, 5), ANY_MAP, size=2),
    feature((7, 5, 2), (3, 2, 5), size=(3, 2), activation=None),
    feature((4, 4, 2), (2, 2, 5), refused=POOL_REFUSES, size=2, resize="pool"),
    feature((2, 3, 2), (4, 9, 5), ANY_MAP, size=(4, 9), resize="bilinear"),
    feature((2, 3, 2), (5, 3, 5), ANY_MAP, size=(5, 3), resize="nearest"),
    feature((2, 3, 1), (4, 3, 1), size=(4, 3), normalize=False),
    dense((6,), (4,)),
    dense((3, 6), (3, 4), (None, 6), use_bias=True, activation="tanh"),
    dense((2, 3, 6), (2, 3, 4), (None, None, 6), normalize=True),
    token("tokens", (4, 6, 2), (24, 5), NO_GRID),
    token("tokens", (4, 6, 2), (7, 5), NO_GRID, size=(2, 3), class_token=True),
    token("tokens", (3, 3, 2), (16, 5), NO_GRID, size=4),
    token("map", (9, 4), (3, 3, 5), NO_SQUARE),
    token("map", (10, 4), (3, 3, 5), (*NO_SQUARE, (None, 9, 4)), class_token=True),
    token("map", (16, 4), (2, 2, 5), NO_SQUARE, size=(2, 2)),
    token("map", (5, 4), (4, 6, 5), NO_SQUARE, size=(4, 6), class_token=True),
    LayerRow(
        layers.ParallelAdapters,
        {"adapters": Fresh(pair)},
        [(4, 6, 2), (3,)],
        [(4, 6, 5), (4,)],
        [ANY_MAP, (3,)],
        ([(None, 4, 6, 2)], [(None, 4, 6, 2), (None, 3), (None, 3)]),
    ),
    LayerRow(
        layers.ParallelAdapters,
        {"adapters": Fresh(one_of_two)},
        [(4, 6, 2), (4, 4, 3)],
        [(4, 6, 2), (2, 2, 5)],
    ),
]
