"""Batch normalization over the global batch."""

from __future__ import annotations

from typing import Any

import keras


def synchronized(model: keras.Model) -> keras.Model:
    """A copy of a model whose batch normalization counts all replicas' examples.

    Without it each replica normalizes by its part of the batch, which is another
    function of smaller batches. On a single device the copy is the same model.

    Args:
        model: a built `keras.Model`. It stays as it is.

    Returns:
        The copy, with the same weights. Make it within the strategy's scope.

    Raises:
        ValueError: where the model is not built, or cannot be copied from its
            configuration.

    Example:

    ```python
    with keras_kd.replicas.strategy().scope():
        student = keras_kd.replicas.synchronized(student)
    ```
    """
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch.")
    copy = _copied(model)
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    return copy


def _copied(model: Any) -> Any:
    try:
        copy = keras.models.clone_model(model)
        if not copy.built:
            copy.build_from_config(model.get_build_config())
        copy.set_weights(model.get_weights())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"The model {model.name!r} cannot be copied from its configuration: give "
            "its BatchNormalization layers synchronized=True where they are made. "
            f"({error})"
        ) from None
    return copy
