"""What TensorFlow computes for every row of the contracts.

    python -m tests.backends.reference FILE

A loss leaves its values and its gradient, a layer its weights, what it gives and
the gradients. `FILE` is read by the tests on the other backends.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

from tests.backends.backend import (
    gradient_of,
    map_tensors,
    numpy,
    set_weights,
    tensors,
    value_and_gradients,
    values_of,
)
from tests.contracts.layer_table import LAYERS
from tests.contracts.loss_table import LOSSES


def of_loss(row):
    """Values and gradient by the student."""
    teacher, student = row.sample()
    return {
        "values": values_of(row, teacher, student),
        "gradient": gradient_of(row, teacher, student)[1],
    }


def of_layer(row, weights=None):
    """What a layer gives for a sample, with weights of its own or with those given.

    Statistics have moved by one batch, and nothing is drawn by chance: the layer is
    called as it is in use.
    """
    keras.utils.set_random_seed(0)
    layer, inputs = row.make(), row.sample()
    layer.build(*row.inputs(len(keras.tree.flatten(inputs)[0])))
    if weights is None:
        training = {"training": True} if layer._call_has_training_arg else {}
        layer(*inputs, **row.extras(), **training)
        weights = [numpy(w) for w in layer.weights]
    set_weights(layer, weights)
    return {
        "weights": weights,
        "outputs": map_tensors(numpy, layer(*inputs, **row.extras())),
        "gradients": gradients_of_layer(row, layer),
        "by_chance": any("seed" in w.path for w in layer.weights),
    }


def gradients_of_layer(row, layer, **training):
    """Those of a fixed direction in the output, by the inputs and by the variables."""
    rng = np.random.default_rng(1)
    fixed = [v.value for v in layer.non_trainable_variables]
    outputs = layer(*row.sample(), **row.extras())
    along = tensors([rng.normal(size=y.shape).astype("float32") for y in flat(outputs)])

    def weighted(given):
        inputs, variables = given
        outputs, _ = layer.stateless_call(
            variables, fixed, *inputs, **row.extras(), **training
        )
        parts = zip(flat(outputs), along, strict=True)
        return sum(keras.ops.sum(y * direction) for y, direction in parts)

    variables = [numpy(v) for v in layer.trainable_variables]
    return value_and_gradients(weighted, [row.sample(), variables])[1]


def flat(structure):
    return keras.tree.flatten(structure)


def key(row):
    """A row's name; the shape of the student's side may be all that differs."""
    return f"{row} and {getattr(row, 'student_shape', None)}"


def main(path):
    found = {
        "losses": {key(row): of_loss(row) for row in LOSSES},
        "layers": {key(row): of_layer(row) for row in LAYERS},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
