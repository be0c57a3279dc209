"""Layers that decide for themselves what meets what."""

from keras_kd import layers
from tests.contracts.layer_row import LayerRow

# The teacher's shapes and the student's: not a list, one to choose from, no square
# grid, unknown sizes.
NO_FEATURES = (
    ((None, 4, 4, 3), [(None, 4, 4, 2)]),
    ([(None, 4, 4, 3)], [(None, 4, 4, 2)]),
    ([(None, 4, 4, 3), (None, 4)], [(None, 7, 2)]),
    ([(None, 4, 4, 3), (None, None)], [(None, 4, 4, 2)]),
    ([(None, 4, 4, 3), (None, 4)], [(None, None, 4, 2)]),
)


def calibration(teacher, student, guesses, refused=(), **arguments):
    output = [guesses, [*guesses, (len(student), len(teacher))]]
    return LayerRow(
        layers.SemanticCalibration,
        arguments,
        teacher,
        output,
        refused=refused,
        student=student,
    )


LAYERS = [
    calibration(
        [(9, 3), (5,)],
        [(4, 4, 2), (5, 3)],
        [(3, 3, 3), (1, 1, 5), (2, 2, 3), (1, 1, 5)],
        NO_FEATURES,
        units=4,
        scale=0.5,
        expansion=1,
    ),
    calibration([(9, 2), (4, 2)], [(4, 3, 2)], [(3, 3, 2), (2, 2, 2)], batch_size=4),
]

NO_FUSION = ((None,), (None, None), (None, 4, None), (None, 2, 2, 2, 3))
NO_PAIR = (
    [(None, 4, 6, 2)],
    [(None, 4, 6, 2), (None, None, 3)],
    [(None, 4, 6, 2), (None, 2, 3), (None, 3)],
)


def fusion(shape, output, refused, **arguments):
    arguments = {"units": output[-1], "positions": output[:-1], **arguments}
    arguments = {"hidden": 8, "heads": 2, **arguments}
    return LayerRow(layers.AttentionFusion, arguments, shape, output, refused=refused)


LAYERS += [
    fusion((4, 6, 2), (5, 3), NO_FUSION),
    fusion([(4, 6, 2), (3,)], (3, 3, 2), NO_PAIR, levels=2, hidden=6),
]
