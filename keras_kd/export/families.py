"""What kind of network a student is, and which recipe suits its kind."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np

from keras_kd.compress import quantization_mode
from keras_kd.export.calibration import FEWEST, WISE
from keras_kd.export.prepare import layers_of
from keras_kd.export.recipes import RECIPES, Recipe

RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
ATTENTION = re.compile(r"Attention|Transformer")
"""In the name of a layer's class: Keras's own, and what others call theirs."""
CONVOLUTION = re.compile(r"Conv\dD")

ASSUMED = "assumed of the client: a CPU with dot products of bytes, as phones have"


def family_of(model: keras.Model) -> str:
    """The family of a network, by its layers.

    Args:
        model: A built `keras.Model`.

    Returns:
        `"recurrent"`, `"text"` (it begins with an embedding), `"transformer"` (it
        attends), `"cnn"` or `"dense"`: the first that fits.

    Example:

    ```python
    image = keras.Input((8, 8, 1))
    family_of(keras.Model(image, keras.layers.Conv2D(4, 3)(image)))  # 'cnn'
    ```
    """
    layers = [getattr(layer, "layer", layer) for layer in layers_of(model)]
    layers += list(layers_of(model))
    if any(isinstance(layer, RECURRENT) for layer in layers):
        return "recurrent"
    if any(isinstance(layer, keras.layers.Embedding) for layer in layers):
        return "text"
    names = [base.__name__ for x in layers for base in type(x).__mro__]
    if any(ATTENTION.search(name) for name in names):
        return "transformer"
    return "cnn" if any(CONVOLUTION.search(name) for name in names) else "dense"


def automatic(model: keras.Model, data: Any) -> tuple[Recipe, dict[str, str]]:
    """The recipe for `recipe="auto"`, and why.

    Args:
        model: A built `keras.Model`.
        data: Representative data, or None.

    Returns:
        A pair: the `Recipe`, and a dict with `"family"` and `"reason"`.

    Example:

    ```python
    recipe, why = automatic(model, None)
    recipe.name, why["family"]  # ('dynamic_int8', 'dense')
    ```
    """
    family, mode = family_of(model), quantization_mode(model)
    if mode is not None:
        name, reason = mode, f"it was trained with quantize_aware(mode={mode!r})"
    elif family == "recurrent":
        name = "dynamic_int8"
        reason = "the converter cannot calibrate the loop of a recurrent layer"
    elif family == "text":
        name = "dynamic_int8"
        reason = (
            "it stores the embedding table in int8 too; with full int8, attention runs "
            "several times slower than in float32"
        )
    elif family == "transformer":
        name = "dynamic_int8"
        reason = (
            "full int8 makes attention several times slower than float32, and leaves "
            "parts of it in floats"
        )
    elif data is None or _few(data):
        name = "dynamic_int8"
        reason = (
            f"int8 activations need {FEWEST} samples of representative_data at least, "
            f"better {WISE}"
        )
    else:
        name = "int8"
        reason = f"all of it can be computed with integers ({ASSUMED})"
    return RECIPES[name], {"family": family, "reason": reason}


def _few(data: Any) -> bool:
    """Whether arrays in memory hold too few samples to calibrate with."""
    leaves = keras.tree.flatten(data)
    arrays = isinstance(data, (np.ndarray, dict, list, tuple)) and leaves
    return bool(arrays) and np.ndim(leaves[0]) > 0 and len(leaves[0]) < FEWEST
