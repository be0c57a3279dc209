"""Which layers of a model are compressed, and how they are called."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from keras_kd.compress.kernels import kernels_of
from keras_kd.compress.rewrite import functional, is_model, nodes_of
from keras_kd.compress.weights import TransformedWeights, core_of
from keras_kd.validation import did_you_mean, listing


def leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The layers of a model and of the models nested in it, with their paths."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        if is_model(layer):
            yield from leaves(layer, f"{path}/")
        else:
            yield path, layer


def chosen(model: keras.Model, skip: Iterable[str] | None) -> set[int]:
    """The ids of the layers with kernels that are not to be left whole.

    Args:
        model: A functional or Sequential model.
        skip: Names or paths of layers, or None for those that give the outputs.

    Raises:
        TypeError: If `skip` is a string.
        ValueError: If a name is not found.
    """
    if isinstance(skip, str):
        raise TypeError(f"`skip` must be a list of names. Received: skip={skip!r}.")
    functional(model)
    layers = {
        path: layer for path, layer in leaves(model) if kernels_of(core_of(layer))
    }
    if skip is None:
        whole = heads_of(model)
    else:
        whole = set()
        for name in skip:
            found = named(layers, name)
            if not found:
                raise ValueError(
                    f"`skip`: no layer {name!r} with kernels in {model.name!r}. "
                    f"Available: {listing(layers)}.{did_you_mean(name, layers)}"
                )
            whole |= {id(layer) for layer in found}
    return {id(layer) for layer in layers.values()} - whole


def refuse_order(model: keras.Model, order: int, what: str) -> None:
    """Refuse a model on which a later or the same step of compression was taken.

    Args:
        model: A functional or Sequential model.
        order: Integer, the `order` of the transforms that are to come.
        what: The name of the function that is to put them on.
    """
    functional(model)
    for layer in model._flatten_layers(include_self=False):
        applied = layer.applied if isinstance(layer, TransformedWeights) else []
        later = [t for t in applied if t.order >= order]
        if later or getattr(layer, "quantize_aware", None):
            kind = type(later[0] if later else layer).__name__
            raise ValueError(
                f"`{what}` comes too late for {model.name!r}: layer {layer.name!r} has "
                f"{kind}. The order is prune, cluster, quantize_aware, each once; "
                "strip(model) begins anew."
            )


def named(layers: dict[str, Any], name: str) -> list[Any]:
    """The layer of this path, or else every layer of this name."""
    if name in layers:
        return [layers[name]]
    return [layer for layer in layers.values() if layer.name == name]


def heads_of(model: keras.Model) -> set[int]:
    """The ids of the layers with kernels whose results are the model's outputs.

    From each output upwards, past what has no kernels and one input.
    """
    heads: set[int] = set()
    for tensor in keras.tree.flatten(functional(model)._outputs_struct):
        heads |= _heads_above(tensor)
    return heads


def _heads_above(tensor: Any) -> set[int]:
    while True:
        operation, node_index, _ = tensor._keras_history
        if operation is None or isinstance(operation, keras.layers.InputLayer):
            return set()
        if is_model(operation):
            return heads_of(operation)
        layer = isinstance(operation, keras.layers.Layer)
        if layer and kernels_of(core_of(operation)):
            return {id(operation)}
        sources = operation._inbound_nodes[node_index].input_tensors
        if len(sources) != 1:
            return set()
        tensor = sources[0]


def calls_of(model: keras.Model) -> dict[int, int]:
    """How often each layer runs in one pass, by id."""
    counts: collections.Counter[int] = collections.Counter()
    for node in nodes_of(functional(model)):
        if is_model(node.operation):
            counts.update(calls_of(node.operation))
        else:
            counts[id(node.operation)] += 1
    return dict(counts)


def kernel_values(model: keras.Model) -> dict[str, list[Any]]:
    """The kernels of each layer as the layer uses them, by path."""
    values: dict[str, list[Any]] = {}
    for path, layer in leaves(model):
        if isinstance(layer, TransformedWeights):
            kernels = [value for _, value in layer.kernels(training=False)]
        else:
            kernels = [kernel.variable.value for kernel in kernels_of(layer)]
        if kernels:
            values[path] = kernels
    return values
