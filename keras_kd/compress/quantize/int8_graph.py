"""A graph whose every operator computes as it will with 8-bit integers.

Kernels are rounded per output channel; results are rounded where the file's
operators end: after a product with its bias, batch normalization and ReLU together,
never between them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
from keras import activations, layers

from keras_kd.compress.quantize.affine import QuantizedAffine
from keras_kd.compress.quantize.composites import (
    IN_STEPS,
    QuantizedActivation,
    QuantizedMerge,
    QuantizedSeparable,
)
from keras_kd.compress.quantize.freezing import freezing
from keras_kd.compress.quantize.kernel_quantizer import QuantizedKernel
from keras_kd.compress.quantize.operators import (
    FIXED,
    FUSED,
    MERGES,
    activation_of,
    described,
    kind_of,
    ties_of,
)
from keras_kd.compress.quantize.ranges import FixedRange, ObservedRange
from keras_kd.compress.rewrite import functional, nodes_of, rewrite
from keras_kd.compress.weights import copy_of, copy_weights, core_of, with_transforms
from keras_kd.validation import listing


@dataclasses.dataclass(frozen=True)
class Options:
    """What `quantize_aware` was asked for.

    Args:
        engine: `"keras"` or `"tfmot"`.
        delay: Integer. Steps in which ranges are only watched.
        momentum: Float, of the ranges.
        freeze_after: Integer or None. Steps after which batch normalization stops.
    """

    engine: str = "keras"
    delay: int = 0
    momentum: float = 0.99
    freeze_after: int | None = None

    def observe(self, name: str) -> ObservedRange:
        """A new range."""
        return ObservedRange(self.delay, self.momentum, self.engine, name=name)


def int8_graph(model: keras.Model, options: Options, top: bool = True) -> keras.Model:
    """The quantize-aware model.

    Args:
        model: A built functional or Sequential model that `refuse_operators` let
            pass. It is not changed.
        options: The `Options`.
        top: Boolean. Whether the model's inputs come from outside, and so need
            ranges. Defaults to `True`.

    Returns:
        A functional model with the same names of layers, and weights of its own.
    """
    visitor = _Visitor(model, options)
    return rewrite(model, visitor.visit, visitor.on_input if top else None)


def refuse_operators(model: keras.Model) -> None:
    """Raise a ValueError that names what 8-bit integers cannot compute."""
    for tensor in keras.tree.flatten(functional(model)._inputs_struct):
        if not keras.backend.is_float_dtype(tensor.dtype):
            raise ValueError(
                f"mode='int8' takes float inputs, which the file quantizes. Received: "
                f"{tensor._keras_history.operation.name!r} of {tensor.dtype}. Use a "
                "float32 input for pictures, mode='weight_only_int8' for tokens."
            )
    found = list(dict.fromkeys(described(x) for x in _unknown(model)))
    if found:
        raise ValueError(
            f"mode='int8' cannot have {listing(found)}: LiteRT would compute them in "
            "floats. Use mode='weight_only_int8' or 'weight_only_int4', which round "
            "kernels alone, or train as it is and export with "
            "recipe='dynamic_int8'."
        )


def _unknown(model: keras.Model) -> Iterator[Any]:
    for operation in functional(model).operations:
        kind = kind_of(operation)
        if kind == "model":
            yield from _unknown(operation)
        elif kind is None and not isinstance(operation, layers.InputLayer):
            yield operation


def consumers_of(graph: Any) -> dict[int, list[Any]]:
    """By the id of each tensor of a graph, what takes it; None for the outside."""
    consumers: dict[int, list[Any]] = {}
    for node in nodes_of(graph):
        for tensor in node.input_tensors:
            consumers.setdefault(id(tensor), []).append(node.operation)
    for tensor in keras.tree.flatten(graph._outputs_struct):
        consumers.setdefault(id(tensor), []).append(None)
    return consumers


def only(consumers: dict[int, list[Any]], tensor: Any) -> Any:
    """The one operation that takes a tensor; None if there are others."""
    found = consumers.get(id(tensor), [])
    return found[0] if len(found) == 1 else None


def folded_norms(graph: Any) -> set[int]:
    """The ids of batch normalizations that become part of the product before them."""
    consumers = consumers_of(graph)

    def folds(operation: Any) -> bool:
        tensors = [
            node.input_tensors[0]
            for node in operation._inbound_nodes
            # Others are nodes of other models.
            if id(node.input_tensors[0]) in consumers
        ]
        return all(
            kind_of(before := tensor._keras_history.operation) == "weighted"
            and core_of(before).activation is activations.linear
            and only(consumers, tensor) is operation
            for tensor in tensors
        )

    return {
        id(operation)
        for operation in graph.operations
        if isinstance(operation, layers.BatchNormalization) and folds(operation)
    }


class _Visitor:
    """Puts one model's layers and ranges in place, node by node."""

    def __init__(self, model: keras.Model, options: Options) -> None:
        graph = functional(model)
        self.options = options
        self.names = {operation.name for operation in graph.operations}
        self.made: dict[int, Any] = {}
        # By the id of a new tensor, the tensor itself and the range it lies in.
        self.ranges: dict[int, tuple[Any, Any]] = {}
        self.consumers = consumers_of(graph)
        self.folded = folded_norms(graph)

    def on_input(self, tensor: Any) -> Any:
        """The model's input, rounded."""
        return self._range(tensor, tensor._keras_history.operation)

    def visit(self, operation: Any, node: Any, args: Any, kwargs: Any) -> Any:
        """The node in the new graph, with a range where its operator ends."""
        outputs = self._call(operation, args, kwargs)
        if kind_of(operation) == "same range":
            return self._within(operation, args[0], outputs)
        if not self._ends(operation, node):
            return outputs
        return keras.tree.map_structure(lambda y: self._range(y, operation), outputs)

    def _call(self, operation: Any, args: Any, kwargs: Any) -> Any:
        if id(operation) not in self.made:
            self.made[id(operation)] = self._make(operation)
        layer = self.made[id(operation)]
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        unbuilt = not layer.built
        outputs = layer(*args, **kwargs)
        if unbuilt and type(layer) is type(operation):
            copy_weights(operation, layer)
        return outputs

    def _make(self, operation: Any) -> Any:
        """What is called in the place of a layer or operation."""
        kind, name = kind_of(operation), operation.name
        if kind == "model":
            return int8_graph(operation, self.options, top=False)
        if kind == "weighted":
            return self._weighted(operation)
        if kind == "affine":
            new = operation
            if isinstance(operation, layers.BatchNormalization):
                new = freezing(operation, self.options.freeze_after)
            else:
                new = copy_of(operation)
            return new if id(operation) in self.folded else QuantizedAffine(new, [])
        if isinstance(operation, MERGES):
            count = len(operation.input) - 2 + isinstance(operation, layers.Average)
            if count:
                ranges = [self.options.observe(f"between_{i}") for i in range(count)]
                return QuantizedMerge(copy_of(operation), ranges)
        if kind == "activation" and activation_of(operation) in IN_STEPS:
            return QuantizedActivation(None, [], activation_of(operation), name=name)
        return copy_of(operation) if isinstance(operation, layers.Layer) else operation

    def _weighted(self, operation: Any) -> Any:
        """The layer with rounded kernels, in two parts if its activation is one."""
        activation = core_of(operation).activation
        kernel = QuantizedKernel(engine=self.options.engine)
        fused = activation in FUSED
        config = {} if fused else {"activation": "linear"}
        new: Any = with_transforms(operation, [kernel], **config)
        if isinstance(core_of(operation), layers.SeparableConv2D):
            new = QuantizedSeparable(new, [self.options.observe("between")])
        if not fused:
            before = self.options.observe("before_activation")
            new = QuantizedActivation(new, [before], activation)
        return new

    def _ends(self, operation: Any, node: Any) -> bool:
        """Whether an operator of the file ends at this node."""
        kind, activation = kind_of(operation), activation_of(core_of(operation))
        if kind == "model" or (kind, activation) == ("activation", activations.linear):
            return False
        next_one = only(self.consumers, node.outputs[0])
        if kind == "own range" or activation in FIXED or next_one is None:
            return True
        if type(next_one).__name__ == "Concatenate":
            # It has one range for all that it takes, and what ends there takes it.
            return False
        if kind == "activation" or activation not in (None, activations.linear):
            return True
        if kind == "weighted" and id(next_one) in self.folded:
            return False
        fuses = kind_of(next_one) == "activation"
        return not (fuses and activation_of(next_one) in FUSED[1:])

    def _range(self, tensor: Any, operation: Any) -> Any:
        """A tensor rounded in a range of its own."""
        name = f"{operation.name}_range"
        while name in self.names:
            name += "_"
        self.names.add(name)
        activation = activation_of(core_of(operation))
        made: Any = self.options.observe(name)
        if activation in FIXED:
            made = FixedRange(*FIXED[activation], name=name)
        return self._lying_in(made, made(tensor))

    def _within(self, operation: Any, inputs: Any, outputs: Any) -> Any:
        """What is moved or averaged, in the range that it had."""
        _, made = self.ranges.get(id(inputs), (None, None))
        if made is None or not isinstance(outputs, keras.KerasTensor):
            return outputs
        ties = ties_of(operation)
        return self._lying_in(made, made(outputs, ties=ties) if ties else outputs)

    def _lying_in(self, made: Any, tensor: Any) -> Any:
        self.ranges[id(tensor)] = tensor, made
        return tensor
