"""What a functional student computes at its taps, as tensors of its graph."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

import keras

from keras_kd.compress.rewrite import functional, is_model, nodes_of
from keras_kd.recording import TapError
from keras_kd.taps import find_layer, require_built
from keras_kd.types import Tap


class Untracked(types.SimpleNamespace):
    """Models over layers that are tracked elsewhere; Keras does not look in here."""


def tensors_at(
    model: keras.Model, taps: Iterable[Tap], what: str
) -> tuple[dict[Tap, Any], Any]:
    """The tensors of a model's graph at taps, and that of its output.

    Those inside of a nested model are found by running its layers once more on
    symbolic tensors; weights and layers stay the same.

    Args:
        model: a built functional or Sequential model with one output.
        taps: names of layers, `"block_2"` or `"backbone/block_2"`.
        what: who asks, for the errors.

    Returns:
        `(tensors by tap, output)`, all computed from `model.inputs`.

    Raises:
        ValueError: for a subclassed model, several outputs, or a tap that is not
            there or does not run exactly once.
    """
    require_built(model)
    if not is_model(model):
        raise ValueError(
            f"{what} follows the graph of a functional or Sequential model, and "
            f"{model.name!r} is subclassed, so that its taps cannot be given: build "
            "it as a functional model."
        )
    graph, taps = functional(model), list(taps)
    if not isinstance(graph._outputs_struct, keras.KerasTensor):
        raise ValueError(
            f"{what} takes a model with one output. Received {model.name!r}, whose "
            f"outputs are {graph.output_names}."
        )
    layers = {tap: find_layer(model, tap) for tap in taps}
    own = {id(node.operation) for node in nodes_of(graph)}
    nested = any(id(layer) not in own for layer in layers.values())
    found: dict[int, list[Any]] = {}
    if nested:
        output = _run_again(graph, graph._inputs_struct, found)
    else:
        output = graph._outputs_struct
        for node in nodes_of(graph):
            found.setdefault(id(node.operation), []).append(_single(node.outputs))
    tensors = {}
    for tap, layer in layers.items():
        values = found.get(id(layer), [])
        if len(values) != 1 or not isinstance(values[0], keras.KerasTensor):
            raise TapError(
                f"Tap {tap!r} of {model.name!r} gives {len(values)} tensors in one "
                f"pass, and {what} needs one: tap a layer that runs exactly once."
            )
        tensors[tap] = values[0]
    return tensors, output


def inputs_of(model: keras.Model) -> Any:
    """The input tensors of a functional or Sequential model, in their structure."""
    return functional(model)._inputs_struct


def _run_again(graph, inputs, found):
    """Call each layer of a graph on symbolic tensors, those of nested models too."""
    sources = keras.tree.flatten(graph._inputs_struct)
    given = keras.tree.flatten(inputs)
    tensors = {id(a): b for a, b in zip(sources, given, strict=True)}
    for node in nodes_of(graph):
        args, kwargs = node.arguments.fill_in(tensors)
        operation = node.operation
        if kwargs.get("mask") is None:  # Keras adds it where there is one
            kwargs.pop("mask", None)
        if is_model(operation):
            value = _run_again(functional(operation), args[0], found)
        else:
            value = operation(*args, **kwargs)
        found.setdefault(id(operation), []).append(_single(value))
        flat = keras.tree.flatten(value)
        tensors |= {id(a): b for a, b in zip(node.outputs, flat, strict=True)}
    return keras.tree.map_structure(lambda t: tensors[id(t)], graph._outputs_struct)


def _single(value):
    flat = keras.tree.flatten(value)
    return flat[0] if len(flat) == 1 else value
