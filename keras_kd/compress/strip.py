"""From a model that was compressed in training to the plain one that is deployed."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.compress.rewrite import replace_layers
from keras_kd.validation import one_of


def strip(model: keras.Model, keep: str | None = None) -> keras.Model:
    """Take off what compression added, and leave its result in the weights.

    Masks and centroids are applied to the kernels once and for all, weights that
    were trained under fake quantization take their rounded values, and layers that
    only quantized activations vanish. Names of layers stay.

    Args:
        model: A functional or Sequential model, as `prune`, `cluster` and
            `quantize_aware` give it, or a plain one. It is not changed.
        keep: `"quantization"` leaves what `quantize_aware` added in place, for
            `export_tflite` to read its ranges. Defaults to `None`, all goes.

    Returns:
        A functional `keras.Model` with weights of its own.

    Raises:
        ValueError: If `model` is subclassed, or `keep` is unknown.

    Example:

    ```python
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    strip(model).count_params()  # 10
    ```
    """
    one_of("keep", keep, (None, "quantization"))

    def replace(layer: Any) -> Any:
        return layer.stripped(keep) if hasattr(layer, "stripped") else layer

    return replace_layers(model, replace)


def is_compressed(model: keras.Model) -> bool:
    """Whether `strip` would take anything off."""
    parts = model._flatten_layers(include_self=False)
    return any(hasattr(layer, "stripped") for layer in parts)


def refuse_compressed(model: keras.Model, way_out: str) -> None:
    """Raise a ValueError for a model that `strip` would take something off."""
    if is_compressed(model):
        raise ValueError(
            f"`model` {model.name!r} has masks, centroids or fake quantization on its "
            f"kernels. {way_out}"
        )


def quantization_mode(model: keras.Model) -> str | None:
    """The mode of `quantize_aware` that a model was made with, or None.

    Args:
        model: A `keras.Model`.

    Returns:
        `"int8"`, `"weight_only_int8"`, `"weight_only_int4"` or None.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    quantization_mode(model) is None  # True
    ```
    """
    modes = (getattr(x, "quantize_aware", None) for x in model._flatten_layers())
    return next((mode for mode in modes if mode), None)
