"""A model built once more, layers of one's own included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def copy_of(model: keras.Model, changed: Callable[[Any], Any] | None = None) -> Any:
    """A model of the same configuration and weights, which shares nothing with it.

    Args:
        model: a built `keras.Model`, not necessarily registered.
        changed: function of the serialized model that returns what the copy is built
            from. Defaults to None: the same.

    Raises:
        Exception: of many kinds, where it cannot be built from its configuration.

    Example:

    ```python
    copy = copy_of(model)
    ```
    """
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    own = {
        type(layer).__name__: type(layer)
        for layer in model._flatten_layers()
        if not type(layer).__module__.startswith("keras.")
    }
    copy = keras.saving.deserialize_keras_object(
        config if changed is None else changed(config),
        custom_objects=own,
        safe_mode=False,
    )
    if not copy.built:
        copy.build_from_config(model.get_build_config())
    copy.set_weights(model.get_weights())
    return copy
