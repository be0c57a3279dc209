"""From a Keras model to the SavedModel that the converter reads."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_kd.export.prepare import layers_of, loops_of
from keras_kd.export.quiet import quiet
from keras_kd.export.recipes import Recipe
from keras_kd.export.runtime import ONLY
from keras_kd.export.signature import Signature
from keras_kd.export.tflite.converter_worker import MODEL

LOOPS = ("While", "StatelessWhile")


def trace(
    model: keras.Model, signature: Signature, batch_size: int | None
) -> tuple[Any, tf.Module]:
    """The model's inference as a concrete function with named ends.

    Args:
        model: The model to convert.
        signature: Its `Signature`.
        batch_size: Integer, or None for any.

    Returns:
        A pair: the concrete function, and the `tf.Module` that keeps it and its
        variables alive. With the Keras model in the module's place the converter
        writes a file of NaN.
    """

    def inference(*tensors: Any) -> dict[str, Any]:
        named = dict(zip(signature.names, tensors, strict=True))
        return signature.name_outputs(model(signature.pack(named), training=False))

    function = tf.function(inference, autograph=False)
    with _portable_recurrence(model):
        concrete = function.get_concrete_function(
            *(
                tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype, t.name)
                for t in signature.inputs
            )
        )
    module = tf.Module()
    module.function = function
    module.variables_of_model = [variable.value for variable in model.variables]
    return concrete, module


def save(folder: str | Path, traced: Mapping[str, tuple[Any, tf.Module]]) -> None:
    """Write the SavedModel of a job of the converter.

    Args:
        folder: Path of the job's folder.
        traced: Dict from a signature's key to what `trace` gave, the main one first.
    """
    functions = {key: concrete for key, (concrete, _) in traced.items()}
    # The converter looks for this key, whatever it is asked to convert.
    functions.setdefault(ONLY, next(iter(functions.values())))
    module = tf.Module()
    module.parts = [part for _, part in traced.values()]
    path = str(Path(folder) / MODEL)
    with quiet():
        try:
            tf.saved_model.save(module, path, signatures=functions)
        except AssertionError:  # a variable that no layer owns
            frozen = {key: _frozen(concrete) for key, concrete in functions.items()}
            tf.saved_model.save(tf.Module(), path, signatures=frozen)


def nodes_of(concrete: Any) -> Iterator[Any]:
    """The nodes of a traced graph and of the functions it calls."""
    definition = concrete.graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def layers_with(
    model: keras.Model, concrete: Any, operators: Sequence[str]
) -> list[str]:
    """The names of the layers in which TensorFlow operators of these names stand."""
    scopes = {
        step
        for node in nodes_of(concrete)
        if node.op in operators
        for step in node.name.split("/")[:-1]
    }
    # Keras numbers a layer's calls: `erf`, then `erf_1`.
    calls = {scope: re.sub(r"_\d+$", "", scope) for scope in scopes}
    names = {*calls, *calls.values()}
    found = (x.name for x in layers_of(model) if not hasattr(x, "layers"))
    return list(dict.fromkeys(name for name in found if name in names))


def refuse_loops(
    model: keras.Model, concrete: Any, recipe: Recipe, batch_size: int | None
) -> None:
    """Loops end the process (int8) or fail deep in the converter (dynamic batch)."""
    if not any(node.op in LOOPS for node in nodes_of(concrete)):
        return
    layers = loops_of(model)
    where = f"layers {layers} run" if layers else "the model runs"
    if recipe.activations != "float32":
        raise ValueError(
            f"recipe={recipe.name!r} cannot be applied: {where} as a loop, on which "
            "the converter's integer calibration crashes. Use "
            "recipe='dynamic_int8', or build recurrent layers with unroll=True."
        )
    if batch_size is None:
        raise ValueError(
            f"batch_size=None cannot be had: {where} as a loop, which needs a static "
            "batch. Use batch_size=1, or build recurrent layers with unroll=True."
        )


def _frozen(concrete: Any) -> Any:
    """The same function with its variables as constants."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    constant = convert_variables_to_constants_v2(concrete)
    names = list(keras.tree.flatten(_keys(concrete.structured_outputs)))
    specs = keras.tree.flatten(concrete.structured_input_signature)
    return tf.function(
        lambda *tensors: dict(zip(names, constant(*tensors), strict=True)),
        autograph=False,
    ).get_concrete_function(*specs)


def _keys(outputs: Mapping[str, Any]) -> dict[str, str]:
    return {name: name for name in outputs}


@contextlib.contextmanager
def _portable_recurrence(model: keras.Model) -> Iterator[None]:
    """Keep a GPU from tracing LSTM and GRU as cuDNN's operator, which no phone has."""
    changed = [
        (layer, layer.use_cudnn)
        for layer in layers_of(model)
        if getattr(layer, "use_cudnn", False)
    ]
    try:
        for layer, _ in changed:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in changed:
            layer.use_cudnn = value
