"""How often a model is right when somebody wants it to be wrong."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_kd.losses.logit.labels import class_numbers
from keras_kd.probabilities import ends_in_probabilities
from keras_kd.robust.pgd import PGD
from keras_kd.taps import output_features, require_built, select
from keras_kd.terms import part_of
from keras_kd.validation import positive_int
from keras_kd.views import Seen


def robust_accuracy(
    model: keras.Model,
    x: Any,
    y: Any,
    attack: PGD | None = None,
    restarts: int = 1,
    batch_size: int = 256,
    seed: int = 0,
) -> float:
    """The share of examples that a model gets right whatever the attack does.

    An example counts where it is right as it is, and after each restart of the
    attack. A stronger attack finds more: this is an upper bound, and worth reporting
    with the attack's numbers.

    Args:
        model: a built `keras.Model` that gives logits.
        x: array of inputs.
        y: array of class numbers or one-hot labels.
        attack: a `PGD` on the labels, or on the student's own output. Defaults to
            None: `PGD()`.
        restarts: positive int, attacks from as many random starts. Defaults to 1.
        batch_size: positive int. Defaults to 256.
        seed: int, of the random starts. Defaults to 0.

    Returns:
        Float from 0 to 1.

    Raises:
        ValueError: where the model ends in a softmax, whose gradient vanishes; the
            attack follows a teacher; inputs lie outside of its range; or there are
            other numbers of inputs and labels, or none.

    Example:

    ```python
    attack = keras_kd.robust.PGD(epsilon=0.1, steps=20, clip=None)
    keras_kd.robust.robust_accuracy(teacher, images, labels, attack)
    ```

    Reference:
        Carlini, Athalye, Papernot, Brendel, Rauber, Tsipras, Goodfellow, Madry,
        Kurakin. On Evaluating Adversarial Robustness. 2019.
        https://arxiv.org/abs/1902.06705
    """
    attack = PGD() if attack is None else attack
    positive_int("restarts", restarts)
    positive_int("batch_size", batch_size)
    x, y = np.asarray(x), np.asarray(y)
    _check(model, x, y, attack)

    def right(x, y):
        logits = select(output_features(model(x, training=False)), attack.output)
        numbers = class_numbers("robust_accuracy", part_of(y, attack.output), logits)
        return ops.cast(ops.argmax(logits, axis=-1), "int32") == numbers

    def withstood(x, y, seed):
        attacked = attack.make(x, Seen(model, y, None, seed))
        return ops.logical_and(right(x, y), right(attacked, y))

    # Traced once, for batches of any size.
    specs = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in (x, y)]
    traced = tf.function(withstood, autograph=False).get_concrete_function(
        *specs, tf.TensorSpec((2,), "int32")
    )
    found = []
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        part = [tf.constant(values[rows]) for values in (x, y)]
        # Another start for each batch, and for each time that it is attacked.
        seeds = [tf.constant([seed, start * restarts + n]) for n in range(restarts)]
        found.append(np.all([traced(*part, drawn) for drawn in seeds], axis=0))
    return float(np.mean(np.concatenate(found)))


def _check(model, x, y, attack):
    require_built(model)
    if ends_in_probabilities(model, attack.output):
        raise ValueError(
            f"`robust_accuracy` wants logits, and model {model.name!r} ends in a "
            "softmax or sigmoid, whose gradient vanishes where it is sure: build it "
            "with activation None in its last layer."
        )
    if attack.objective == "teacher":
        raise ValueError(
            "`attack` must follow the labels, or the model's own output: PGD("
            "objective='teacher') is for a Distiller's views."
        )
    if len(x) != len(y) or not len(x):
        raise ValueError(
            "`x` and `y` must have as many rows, at least one. "
            f"Received: {len(x)} and {len(y)}."
        )
    if attack.clip is not None:
        low, high = attack.clip
        if x.min() < low or x.max() > high:
            raise ValueError(
                f"`x` must lie within the attack's clip={attack.clip}. Received values "
                f"from {x.min():g} to {x.max():g}: pass PGD(clip=(low, high)), the "
                "range of an input."
            )
