"""Views by a user's function of an example, or of a batch, and seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_kd.store.identity.described import of_function
from keras_kd.store.views.views import Views


class EachByFunction(Views):
    """A function of one example and a seed, for each example by itself.

    Args:
        function: `function(x, seed)`, of an example without a batch axis and an int32
            tensor `(2,)`, made of TensorFlow operations whose randomness is all from
            the seed, such as `tf.image.stateless_random_flip_left_right`.
    """

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, x, y, drawn, partner):
        return each(self.function, x, drawn), y

    def identity(self):
        return {"each": of_function(self.function)}


class EachBatch(Views):
    """A function of a batch and a seed for each example: faster than one by one.

    What it makes of an example must follow from the example and its seed, whatever
    else is in the batch; views are tried for this before the first is used.

    Args:
        function: `function(x, seeds)`, of examples `(batch, …)` and an int32 tensor
            `(batch, 2)`.

    Raises:
        TypeError: where the function cannot be called.

    Example:

    ```python
    def invert(x, seeds):
        return tf.where(seeds[:, 0] % 2 == 0, x, -x)

    augment = EachBatch(invert)  # or: invert.batched = True
    ```
    """

    def __init__(self, function: Callable):
        if not callable(function):
            raise TypeError(
                "EachBatch takes a function of (x, seeds). "
                f"Received: function={function!r}."
            )
        self.function = function

    def __call__(self, x, y, drawn, partner):
        return self.function(x, drawn), y

    def identity(self):
        return {"batch": of_function(self.function)}


def each(function: Callable, x: Any, seeds: Any) -> Any:
    """`function(example, seed)` of each example of a batch.

    Args:
        function: of an example and an int32 tensor `(2,)`; its result may have
            another shape and dtype than the example.
        x: structure of tensors `(batch, …)`.
        seeds: int32 tensor `(batch, 2)`.

    Returns:
        Structure of tensors `(batch, …)`.
    """

    def opened(tensor):
        return tf.TensorSpec(tensor.shape[1:], tensor.dtype)

    one = keras.tree.map_structure(opened, x)
    # Its result's shape need not be the example's.
    traced = tf.function(function).get_concrete_function(one, opened(seeds))
    made = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
        traced.structured_outputs,
    )
    return tf.map_fn(lambda pair: traced(*pair), (x, seeds), fn_output_signature=made)
