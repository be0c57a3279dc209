"""Models in files, as the workflow and the command want them."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_kd.probabilities import ends_in_probabilities
from keras_kd.teachers import FrozenTeacher
from keras_kd.types import OUTPUT


def load_model(path: str) -> keras.Model:
    """The model in a `.keras` file; code in it is refused, not run."""
    if not path.endswith(".keras"):
        raise ValueError(f"Expected a .keras file. Received: {path!r}.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{path!r} must hold a keras.Model. Received: {type(model).__name__}."
        )
    return model


def input_size(model: keras.Model) -> tuple[int, int] | None:
    """`(height, width)` of the one image that a model takes, where it says."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:3]:
        return None
    return shape[1], shape[2]


def as_frozen(
    teacher: keras.Model, size: tuple[int, int] | None, **options: Any
) -> FrozenTeacher:
    """The teacher at its own resolution, and as logits if it ends in a softmax.

    Args:
        teacher: a built `keras.Model`.
        size: `(height, width)` of the images that come, where known.
        **options: `FrozenTeacher`'s, such as `engine`.
    """
    own = input_size(teacher)
    return FrozenTeacher(
        teacher,
        size=None if own == size else own,
        from_probabilities=ends_in_probabilities(teacher, OUTPUT),
        **options,
    )
