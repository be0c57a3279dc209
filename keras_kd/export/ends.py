"""The same student with another beginning or end, as some clients want it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_kd.export.signature import Signature, signature_of

LUMINANCE = (0.299, 0.587, 0.114)
"""What red, green and blue add to brightness (ITU-R BT.601)."""


def with_softmax(model: keras.Model, name: str = "probabilities") -> keras.Model:
    """Append a softmax to a model of logits.

    Args:
        model: A built `keras.Model` with one output, logits over its last axis.
        name: String. Name of the new output. Defaults to `"probabilities"`.

    Returns:
        A functional `keras.Model` over the same weights.

    Raises:
        ValueError: If the model has several outputs, or none over classes.

    Example:

    ```python
    student = with_softmax(model)
    export_tflite(student, "student.tflite", float_softmax=True)
    ```
    """
    inputs, outputs = _called(model)
    if len(outputs) != 1:
        raise ValueError(
            f"`model` must have one output. Received: {list(outputs)}. Add "
            "keras.layers.Softmax() to the one of them that is logits."
        )
    (logits,) = outputs.values()
    if len(logits.shape) < 2 or logits.shape[-1] == 1:
        raise ValueError(
            "`model` must answer with logits of two classes or more. Received the "
            f"shape {tuple(logits.shape)}."
        )
    softmax = keras.layers.Softmax(name=name, dtype="float32")
    return keras.Model(inputs, softmax(logits), name=model.name)


def from_rgb(model: keras.Model) -> keras.Model:
    """Let a model of grey images take colour ones.

    A frozen 1 × 1 convolution in front turns red, green and blue into brightness.

    Args:
        model: A built `keras.Model` with one input of shape
            `(batch, height, width, 1)`.

    Returns:
        A functional `keras.Model` over the same weights that takes
        `(batch, height, width, 3)`, its ends named as before.

    Raises:
        ValueError: If the model's input is of another shape.

    Example:

    ```python
    image = keras.Input((8, 8, 1), name="image")
    grey = keras.Model(image, keras.layers.Flatten(name="pixels")(image))
    from_rgb(grey)(np.ones((2, 8, 8, 3))).shape  # (2, 64)
    ```
    """
    signature = signature_of(model)
    (first, *others) = signature.inputs
    is_float = keras.backend.is_float_dtype(first.dtype)
    if others or len(first.shape) != 4 or first.shape[-1] != 1 or not is_float:
        found = [
            (tensor.name, tensor.shape, tensor.dtype) for tensor in signature.inputs
        ]
        raise ValueError(
            "`model` must have one input of floats, of shape (batch, height, width, "
            f"1). Received: {found}."
        )
    image = keras.Input((*first.shape[1:-1], 3), dtype="float32", name=first.name)
    luminance = keras.layers.Conv2D(
        1,
        1,
        use_bias=False,
        trainable=False,
        dtype="float32",
        kernel_initializer=keras.initializers.Constant(
            np.reshape(LUMINANCE, (1, 1, 3, 1)).tolist()
        ),
        name="luminance",
    )
    outputs = model(signature.pack({first.name: luminance(image)}))
    return keras.Model(image, _named(signature, outputs), name=model.name)


def _called(model: keras.Model) -> tuple[Any, dict[str, Any]]:
    """New inputs like a model's, and its outputs on them by name."""
    signature = signature_of(model)
    inputs = signature.pack(
        {
            tensor.name: keras.Input(
                tensor.shape[1:], dtype=tensor.dtype, name=tensor.name
            )
            for tensor in signature.inputs
        }
    )
    return inputs, signature.name_outputs(model(inputs))


def _named(signature: Signature, outputs: Any) -> Any:
    """Outputs in their structure, made by layers of the names they had."""
    named = [
        keras.layers.Identity(name=name, dtype=tensor.dtype)(tensor)
        for name, tensor in signature.name_outputs(outputs).items()
    ]
    return keras.tree.pack_sequence_as(outputs, named)
