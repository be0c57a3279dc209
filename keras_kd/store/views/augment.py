"""What a user passes as `augment`, as `Views`."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.functions import EachBatch, EachByFunction
from keras_kd.store.views.keras_layers import KerasLayers
from keras_kd.store.views.views import AsTheyAre, Views

# By these a dataclass of moves is known, such as `keras_kd.workflow.Augmentation`.
MOVES = ("shift", "rotate", "zoom", "flip", "fill")


def as_views(augment: Any) -> Views:
    """`Views` of any augmentation.

    Args:
        augment: None; `Views` such as `Augmentation` and `MixUp`; a Keras layer or
            `keras.Sequential`; a function `augment(x, seed)` of one example, or of a
            batch where its attribute `batched` is true; or a workflow's augmentation,
            whose moves are made again with draws for each example.

    Raises:
        TypeError: for anything else, or a function of other arguments.
    """
    if augment is None:
        return AsTheyAre()
    if isinstance(augment, Views):
        return augment
    if isinstance(augment, keras.Layer):
        return KerasLayers(augment)
    if all(hasattr(augment, name) for name in MOVES):
        return Augmentation(**{name: getattr(augment, name) for name in MOVES})
    if not callable(augment):
        raise TypeError(
            "`augment` must be None, an Augmentation, MixUp or CutMix, a Keras layer, "
            f"or a function augment(x, seed). Received: augment={augment!r}."
        )
    try:
        inspect.signature(augment).bind(None, None)
    except TypeError as error:
        raise TypeError(
            "`augment` must be a function of two arguments, an example and a seed of "
            f"two integers. Received: {augment!r} ({error})."
        ) from error
    except ValueError:
        pass  # a builtin that does not tell its arguments
    batched = getattr(augment, "batched", False)
    return EachBatch(augment) if batched else EachByFunction(augment)
