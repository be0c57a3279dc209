"""A functional model built anew, node by node, with other layers in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from keras_kd.compress.weights import copy_of, copy_weights

Visit = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
"""`(operation, node, args, kwargs) -> outputs` in the new graph."""


def functional(model: keras.Model) -> Any:
    """The graph of a functional or Sequential model.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If it has no graph: a subclassed or unbuilt model.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a keras.Model. Received: {type(model).__name__}."
        )
    if isinstance(model, keras.Sequential):
        if not model.built or model._functional is None:
            raise ValueError(
                f"`model` {model.name!r} is not built. Begin it with a keras.Input."
            )
        return model._functional
    if not hasattr(model, "_nodes_by_depth"):
        raise ValueError(
            f"`model` {model.name!r} is subclassed, and what it computes is in its "
            "code. Build it as a functional or Sequential model, or compress the "
            "functional part of it."
        )
    return model


Instead = Mapping[int, Any]
"""From the id of a tensor to the earlier tensor of the same graph in its place."""


def nodes_of(graph: Any, instead: Instead | None = None) -> Iterator[Any]:
    """The calls of layers and operations in a graph, in the order of computation.

    Args:
        graph: As `functional` gives it.
        instead: Tensors that take the place of others. What then leads to no output
            is left out. Defaults to `None`.
    """
    needed = _needed(graph, instead) if instead else None
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.operation and not node.is_input:
                if needed is None or id(node) in needed:
                    yield node


def in_place_of(tensor: Any, instead: Instead) -> Any:
    """The tensor that is read where `tensor` was: itself, or one before it."""
    while id(tensor) in instead:
        tensor = instead[id(tensor)]
    return tensor


def _needed(graph: Any, instead: Instead) -> set[int]:
    """The ids of the nodes that lead to an output."""
    maker = {id(t): node for node in nodes_of(graph) for t in node.outputs}
    needed: set[int] = set()
    left = list(keras.tree.flatten(graph._outputs_struct))
    while left:
        node = maker.get(id(in_place_of(left.pop(), instead)))
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            left.extend(node.input_tensors)
    return needed


def rewrite(
    model: keras.Model,
    visit: Visit,
    on_input: Callable[[Any], Any] | None = None,
    name: str | None = None,
    input_shape: Callable[[Any], Any] | None = None,
    instead: Instead | None = None,
) -> keras.Model:
    """Build a functional model anew, each call of a layer left to `visit`.

    Args:
        model: A built functional or Sequential model. It is not changed.
        visit: Function `(operation, node, args, kwargs) -> outputs`, called for
            each node in the order of computation with the new graph's tensors.
        on_input: Function from a new input tensor to what is used in its place.
        name: String. Defaults to the name of `model`.
        input_shape: Function from an input tensor of `model` to the shape of the
            new one, the batch included. Defaults to the same shape.
        instead: Tensors of `model` that take the place of others, whose layers
            are left out. Defaults to `None`.

    Returns:
        A functional `keras.Model` with the same structure of inputs and outputs.
    """
    graph = functional(model)
    tensors = _Tensors(instead or {})
    inputs = []
    for tensor in keras.tree.flatten(graph._inputs_struct):
        source = keras.Input(
            batch_shape=input_shape(tensor) if input_shape else tensor.shape,
            dtype=tensor.dtype,
            name=tensor._keras_history.operation.name,
            sparse=getattr(tensor, "sparse", False),
        )
        inputs.append(source)
        tensors.set(tensor, on_input(source) if on_input else source)
    for node in nodes_of(graph, instead):
        args, kwargs = node.arguments.fill_in(tensors.new)
        # Keras adds it to layers that take one; not all that replace them do.
        if kwargs.get("mask") is None:
            kwargs.pop("mask", None)
        outputs = keras.tree.flatten(visit(node.operation, node, args, kwargs))
        for old, new in zip(node.outputs, outputs, strict=True):
            tensors.set(old, new)
    return keras.Model(
        keras.tree.pack_sequence_as(graph._inputs_struct, inputs),
        keras.tree.map_structure(
            lambda old: tensors.new[id(old)], graph._outputs_struct
        ),
        name=name or model.name,
    )


class _Tensors:
    """The new graph's tensors by the ids of the old ones.

    Args:
        instead: As in `rewrite`; keeps the tensors that were replaced by id alone.
    """

    def __init__(self, instead: Instead) -> None:
        self.new: dict[int, Any] = {}
        self._ends: dict[int, list[int]] = {}
        for end, source in instead.items():
            first = in_place_of(source, instead)
            self._ends.setdefault(id(first), []).append(end)

    def set(self, old: Any, new: Any) -> None:
        """Enter a tensor, also for those that it takes the place of."""
        for name in (id(old), *self._ends.get(id(old), ())):
            self.new[name] = new


def replace_layers(
    model: keras.Model, replace: Callable[[Any], Any], name: str | None = None
) -> keras.Model:
    """A model with some of its layers replaced and all others copied.

    Nested functional and Sequential models are walked through; a layer that is
    called twice is replaced once; names, and so the paths of taps, stay.

    Args:
        model: A built functional or Sequential model. It is not changed.
        replace: Function from a layer to the layer in its place: a new, built one;
            the same layer, which is then copied; or None to leave it out, where it
            takes and returns one tensor.
        name: String. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` with weights of its own.
    """
    made: dict[int, Any] = {}

    def visit(operation: Any, node: Any, args: Any, kwargs: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            return operation(*args, **kwargs)
        if id(operation) not in made:
            made[id(operation)] = substitute(operation, replace)
        layer = made[id(operation)]
        if layer is None:
            return args[0]
        unbuilt = not layer.built
        outputs = layer(*args, **kwargs)
        if unbuilt and type(layer) is type(operation):
            copy_weights(operation, layer)
        return outputs

    return rewrite(model, visit, name=name)


def substitute(layer: Any, replace: Callable[[Any], Any]) -> Any:
    """The layer, or nested model, to call in the place of `layer`."""
    if is_model(layer):
        return replace_layers(layer, replace)
    new = replace(layer)
    return copy_of(layer) if new is layer else new


def is_model(layer: Any) -> bool:
    """Whether the layer is a nested functional or Sequential model."""
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_nodes_by_depth")
