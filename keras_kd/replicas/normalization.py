"""Batch normalization over the global batch."""

from __future__ import annotations

import keras

from keras_kd.copying import copy_of


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
    try:
        copy = copy_of(model)
    except Exception as error:  # Keras raises as many kinds as there are layers
        raise ValueError(
            f"The model {model.name!r} cannot be copied from its configuration: give "
            "its BatchNormalization layers synchronized=True where they are made. "
            f"({error})"
        ) from None
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    return copy
