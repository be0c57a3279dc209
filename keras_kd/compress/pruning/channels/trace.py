"""The channels of every tensor of a functional model, followed from layer to layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.compress.pruning.channels.rules import rule_for
from keras_kd.compress.pruning.channels.slots import Slots
from keras_kd.compress.rewrite import (
    Instead,
    functional,
    in_place_of,
    is_model,
    nodes_of,
)


@dataclasses.dataclass
class Use:
    """A layer with the channels that it reads and those that it makes.

    Args:
        layer: The layer.
        path: Its path of names.
        reads: Slots of its input's last axis.
        makes: Slots of its output's last axis.
    """

    layer: Any
    path: str
    reads: np.ndarray
    makes: np.ndarray


class Trace:
    """Follows the channels through a model.

    Args:
        model: A functional or Sequential model.
        rule_for: Function `(operation, node) -> rule or None`. Defaults to the
            rules by which a model without channels of zeros answers alike.
        instead: Tensors that take the place of others, as `rewrite` has them.
            Defaults to `None`.

    Attributes:
        slots: The `Slots`.
        uses: Dict from a layer's id to its `Use`; layers without a rule are left out.
        made_in: Dict from a tensor's id to the slots of its last axis.
    """

    def __init__(
        self,
        model: keras.Model,
        rule_for: Callable[[Any, Any], Any] = rule_for,
        instead: Instead | None = None,
    ) -> None:
        self.rule_for = rule_for
        self.instead = instead or {}
        self.slots = Slots()
        self.uses: dict[int, Use] = {}
        self.made_in: dict[int, np.ndarray] = {}
        self.opaque: set[int] = set()
        self._entered: set[int] = set()
        graph = functional(model)
        for tensor in keras.tree.flatten(graph._inputs_struct):
            self.slots.fix(self._known(tensor), "it is an input of the model")
        self._follow(graph, "")
        for tensor in keras.tree.flatten(graph._outputs_struct):
            self.slots.fix(self._known(tensor), "it is an output of the model")

    def _known(self, tensor: Any) -> np.ndarray:
        tensor = in_place_of(tensor, self.instead)
        if id(tensor) not in self.made_in:
            self.made_in[id(tensor)] = self.slots.new(width(tensor))
        return self.made_in[id(tensor)]

    def _follow(self, graph: Any, prefix: str) -> None:
        for node in nodes_of(graph, self.instead):
            self._step(node, prefix)

    def _step(self, node: Any, prefix: str) -> None:
        operation = node.operation
        path = f"{prefix}{operation.name}"
        reads = [self._known(tensor) for tensor in node.input_tensors]
        if is_model(operation) and self._enter(operation, node, path):
            inner = keras.tree.flatten(functional(operation)._outputs_struct)
            for tensor, source in zip(node.outputs, inner, strict=True):
                self.made_in[id(tensor)] = self._known(source)
            return
        rule = None if is_model(operation) else self.rule_for(operation, node)
        if rule is None:
            self._fix(node, reads, f"{path!r} ({type(operation).__name__}) mixes it")
            return
        first = reads[0]
        if isinstance(operation, keras.layers.Embedding):
            first = self.slots.new(0)
        before = self.uses.get(id(operation))
        if before is not None and _has_one_shape(operation):
            self.slots.unite(before.reads, first)
            makes: np.ndarray | None = before.makes
        else:
            makes = rule(self.slots, operation, node, reads)
        if makes is None or len(makes) != width(node.outputs[0]):
            self._fix(node, reads, f"{path!r} ({type(operation).__name__}) mixes it")
            return
        self.made_in[id(node.outputs[0])] = makes
        if isinstance(operation, keras.layers.Layer):
            self.uses.setdefault(id(operation), Use(operation, path, first, makes))

    def _enter(self, model: Any, node: Any, path: str) -> bool:
        """Walk a nested model, once; again for each further call, unite its ends."""
        graph = functional(model)
        inputs = keras.tree.flatten(graph._inputs_struct)
        if not called_as_built(model, node):
            self.opaque.add(id(model))
            return False
        for inner, outer in zip(inputs, node.input_tensors, strict=True):
            self.slots.unite(self._known(inner), self._known(outer))
        if id(model) not in self._entered:
            self._entered.add(id(model))
            self._follow(graph, f"{path}/")
        return True

    def _fix(self, node: Any, reads: list[np.ndarray], reason: str) -> None:
        for slots in reads:
            self.slots.fix(slots, reason)
        for tensor in node.outputs:
            self.slots.fix(self._known(tensor), reason)


def called_as_built(model: Any, node: Any) -> bool:
    """Whether a nested model is called with the structure of its own inputs."""
    try:
        keras.tree.assert_same_structure(
            node.arguments.args[0], functional(model)._inputs_struct
        )
    except (ValueError, TypeError, IndexError):
        return False
    return True


def _has_one_shape(operation: Any) -> bool:
    """Whether all calls of a layer go together: they share weights or a shape."""
    weights = len(getattr(operation, "weights", ())) > 0
    return weights or isinstance(operation, keras.layers.Reshape)


def width(tensor: Any) -> int:
    """The length of the last axis, or 0 where it is not known."""
    shape = tensor.shape
    return int(shape[-1]) if len(shape) > 1 and shape[-1] is not None else 0
