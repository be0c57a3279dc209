"""A Keras 3 model as a tf_keras model of the same weights, and back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_kd.compress.rewrite import functional, is_model, nodes_of, replace_layers
from keras_kd.compress.selection import leaves
from keras_kd.compress.strip import refuse_compressed
from keras_kd.compress.tfmot.families import OPERATIONS, Unknown, counterpart
from keras_kd.compress.tfmot.load import load, load_tf_keras, quiet

PARITY = 1e-6


def to_tf_keras(model: keras.Model) -> Any:
    """Rebuild a model in tf_keras, the Keras that TFMOT works on.

    Nested models are written out, their layers named `<model>_<layer>`. The new
    model is run beside the old one on random inputs and must answer the same to
    1e-6 of the largest output.

    Args:
        model: A built functional or Sequential model of float32, with convolutions,
            dense layers, normalization, activations, pooling, padding and the like;
            `keras_kd.compress.tfmot.families.ARGUMENTS` lists the layers.

    Returns:
        A `tf_keras.Model` with weights of its own.

    Raises:
        ImportError: If TFMOT or tf_keras is not installed.
        ValueError: If a layer has no counterpart, or the answers differ.

    Example:

    ```python
    legacy = to_tf_keras(student)
    legacy.get_layer("backbone_block_1")
    ```
    """
    graph = functional(model)
    refuse_compressed(model, "Hand in strip(model).")
    tf_keras = load_tf_keras()
    with quiet():
        inputs = [
            tf_keras.Input(
                batch_shape=tensor.shape,
                dtype=tensor.dtype,
                name=tensor._keras_history.operation.name,
            )
            for tensor in keras.tree.flatten(graph._inputs_struct)
        ]
        layers: dict[int, Any] = {}
        try:
            outputs = _written_out(graph, inputs, layers, "", tf_keras)
        except Unknown as error:
            raise ValueError(
                f"TFMOT cannot be given {model.name!r}: {error}, which the bridge to "
                "tf_keras does not know. Use prune, cluster and quantize_aware of "
                "keras_kd.compress, which work on Keras 3 layers."
            ) from None
        legacy = tf_keras.Model(
            keras.tree.pack_sequence_as(graph._inputs_struct, inputs),
            keras.tree.pack_sequence_as(graph._outputs_struct, outputs),
            name=model.name,
        )
        _give_weights(model, legacy)
        _compare(model, legacy)
    return legacy


def from_tf_keras(legacy: Any, like: keras.Model) -> keras.Model:
    """The Keras 3 model that a bridged model has become by training.

    What TFMOT wrapped its layers in for pruning or clustering is taken off first.

    Args:
        legacy: A `tf_keras.Model` made from `like` by `to_tf_keras`,
            `prune_low_magnitude` or `cluster_weights`.
        like: The Keras 3 model that it was made from. It is not changed.

    Returns:
        A functional `keras.Model` with the trained weights.

    Raises:
        ValueError: If the layers of the two do not match, or `legacy` is
            quantization-aware, which a plain Keras 3 model cannot hold.

    Example:

    ```python
    legacy = to_tf_keras(student)
    student = from_tf_keras(legacy, like=student)
    ```
    """
    tfmot = load()
    with quiet():
        plain = tfmot.sparsity.keras.strip_pruning(legacy)
        plain = tfmot.clustering.keras.strip_clustering(plain)
    model = replace_layers(like, lambda layer: layer)
    by_name = {layer.name: layer for layer in plain.layers}
    if is_quantized(plain):
        raise ValueError(
            "`legacy` is quantization-aware, which a plain Keras 3 model cannot hold. "
            "Write it by to_tflite."
        )
    for path, layer in leaves(model):
        if not layer.weights:
            continue
        source = by_name.get(legacy_name(path))
        shapes = [tuple(w.shape) for w in layer.weights]
        if source is None or [tuple(w.shape) for w in source.weights] != shapes:
            raise ValueError(
                f"`like` {like.name!r} is not what `legacy` was made from: it has no "
                f"layer {legacy_name(path)!r} with weights of the shapes {shapes}."
            )
        layer.set_weights(source.get_weights())
    return model


def is_quantized(legacy: Any) -> bool:
    """Whether a tf_keras model has TFMOT's quantization in it."""
    return any(type(layer).__name__.startswith("Quantize") for layer in legacy.layers)


def legacy_name(path: str) -> str:
    """The name of a layer in the bridged model."""
    return path.replace("/", "_")


def _written_out(
    graph: Any, inputs: list[Any], layers: dict[int, Any], prefix: str, tf_keras: Any
) -> list[Any]:
    """The outputs of a graph on tf_keras tensors."""
    sources = keras.tree.flatten(graph._inputs_struct)
    tensors = {
        id(source): tensor for source, tensor in zip(sources, inputs, strict=True)
    }
    for node in nodes_of(graph):
        given = [tensors[id(tensor)] for tensor in node.input_tensors]
        operation = node.operation
        path = f"{prefix}{operation.name}"
        if is_model(operation):
            inner = functional(operation)
            made = _written_out(inner, given, layers, f"{path}_", tf_keras)
        else:
            layer = _layer_for(operation, node, path, layers, tf_keras)
            made = [layer(given if len(given) > 1 else given[0])]
        for old, new in zip(node.outputs, made, strict=True):
            tensors[id(old)] = new
    return [tensors[id(x)] for x in keras.tree.flatten(graph._outputs_struct)]


def _layer_for(
    operation: Any, node: Any, path: str, layers: dict[int, Any], tf_keras: Any
) -> Any:
    if isinstance(operation, keras.layers.Layer):
        if operation.compute_dtype != "float32":
            raise Unknown(f"layer {path!r} computes in {operation.compute_dtype}")
        if id(operation) not in layers:
            layers[id(operation)] = counterpart(operation, path, tf_keras)
        return layers[id(operation)]
    kind = type(operation).__name__
    values = keras.tree.flatten([node.arguments.args, node.arguments.kwargs])
    tensors = [value for value in values if isinstance(value, keras.KerasTensor)]
    if kind not in OPERATIONS or len(tensors) != 2:
        raise Unknown(f"{path!r} is the operation {kind}")
    return getattr(tf_keras.layers, OPERATIONS[kind])(name=path)


def _give_weights(model: keras.Model, legacy: Any) -> None:
    for path, layer in leaves(model):
        if layer.weights:
            legacy.get_layer(legacy_name(path)).set_weights(layer.get_weights())


def _compare(model: keras.Model, legacy: Any) -> None:
    rng = np.random.default_rng(0)
    data = []
    for tensor in model.inputs:
        shape = [2, *(8 if size is None else size for size in tensor.shape[1:])]
        floating = "float" in tensor.dtype
        data.append(
            rng.normal(size=shape).astype(tensor.dtype)
            if floating
            else np.zeros(shape, tensor.dtype)
        )
    struct = functional(model)._inputs_struct
    expected = keras.tree.flatten(
        model(keras.tree.pack_sequence_as(struct, data), training=False)
    )
    answered = keras.tree.flatten(
        legacy(keras.tree.pack_sequence_as(struct, data), training=False)
    )
    for one, other in zip(expected, answered, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        error = float(np.abs(one - other).max()) / max(1.0, float(np.abs(one).max()))
        if not error <= PARITY:
            raise ValueError(
                f"tf_keras computes {model.name!r} differently, by {error:.2g} of its "
                f"largest output where {PARITY} is allowed. Use prune, cluster and "
                "quantize_aware of keras_kd.compress, which work on Keras 3 layers."
            )
