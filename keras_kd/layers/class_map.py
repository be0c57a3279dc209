"""Some of a student's classes, in a teacher's order."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.registration import register


@register
class ClassMap(keras.layers.Layer):
    """The logits of some classes, in another order.

    `y[..., i] = x[..., indices[i]]`: as an adapter it shows a teacher that knows
    fewer classes, or numbers them in another way, those logits of the student that it
    can judge. It has no weights.

    Args:
        indices: list of ints, the student's class for each class of the teacher.

    Input shape:
        `(batch, ..., classes)`.

    Output shape:
        `(batch, ..., len(indices))`. A padding mask is passed on.

    Raises:
        ValueError: where a class is none, or is named twice.

    Example:

    ```python
    layer = keras_kd.layers.ClassMap([2, 0])
    layer(keras.ops.array([[1.0, 5.0, 3.0]]))  # [[3., 1.]]
    ```
    """

    def __init__(self, indices: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.indices = checked_indices("indices", indices)
        self.supports_masking = True

    def build(self, input_shape):
        classes = input_shape[-1] if len(input_shape) > 1 else None
        if classes is None or max(self.indices) >= classes:
            raise ValueError(
                f"ClassMap takes (batch, ..., classes) of more than "
                f"{max(self.indices)} classes. Received the shape {tuple(input_shape)}."
            )

    def call(self, inputs):
        return ops.take(inputs, ops.array(self.indices, "int32"), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.indices))

    def get_config(self):
        return {**super().get_config(), "indices": list(self.indices)}


def checked_indices(name: str, value: Any) -> list[int]:
    """Numbers of classes, each once."""
    given = list(value) if isinstance(value, Sequence) else []
    whole = [isinstance(x, numbers.Integral) and int(x) >= 0 for x in given]
    if not given or not all(whole) or len(set(given)) < len(given):
        raise ValueError(
            f"`{name}` must be a list of classes, 0 or above and each once. "
            f"Received: {name}={value!r}."
        )
    return [int(x) for x in given]
