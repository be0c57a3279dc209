"""TensorFlow operators that LiteRT lacks, in words a model's author can use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.export.tflite.tracing import layers_with, nodes_of

TABLES = "LookupTable"

ADVICE = {
    "Erf": "`keras.activations.gelu`, exact or approximate, has a built-in one; "
    "ops.tanh(1.1295 * x + 0.1 * x**3) is erf(x) within 0.0003",
    "ResizeBicubic": "interpolation='bilinear' has a built-in one",
    "DenseBincount": "give CategoryEncoding output_mode='one_hot', or let the app "
    "encode",
    "StringToHashBucketFast": "let the app hash, and export the part that takes ids",
    TABLES: "let the app look ids up, and export the part that takes them",
    "MatrixInverse": "invert a constant matrix once and store the result as a weight",
}
"""What to put in the place of an operator."""

ANYWAY = (
    "replace it in the model, or leave that step to the app (splitting text, the "
    "final argmax)"
)


def in_message(message: str) -> list[str]:
    """The foreign operators that a message of the converter lists."""
    found = re.search(r"(?:TF Select|Custom) ops: (.*)", message)
    return [name.strip() for name in found[1].split(",")] if found else []


def lookups(concrete: Any) -> list[str]:
    """The operators of a traced graph that need a table beside the file."""
    return sorted({n.op for n in nodes_of(concrete) if n.op.startswith(TABLES)})


def sentence(model: keras.Model, concrete: Any, operators: Sequence[str]) -> str:
    """Which operators LiteRT lacks, in which layers, and what to do about it.

    Args:
        model: The model.
        concrete: Its traced function.
        operators: Names of TensorFlow operators.

    Returns:
        A string.
    """
    layers = layers_with(model, concrete, operators)
    where = f" Layers {layers} need it." if layers else ""
    advice = [
        text
        for name, text in ADVICE.items()
        if any(operator.startswith(name) for operator in operators)
    ]
    return (
        f"LiteRT has no built-in operator for {', '.join(operators)}.{where} "
        f"Instead: {'; '.join(advice) or ANYWAY}."
    )
