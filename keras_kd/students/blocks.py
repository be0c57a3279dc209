"""Blocks of a model that can be left out: their output is as large as their input.

In this order, the first kind that a graph has:

1. residual blocks, `x + f(x)`, with what follows the sum in each of them;
2. layers of one's own, or nested models, of one kind one after the other;
3. in a model of neither kind, and in a graph that is one chain, layers with kernels
   and what normalizes and activates them, as in VGG and MobileNet.

Blocks that take turns (attention, then an MLP) go together, as one.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from keras_kd.compress.kernels import kernels_of
from keras_kd.compress.pruning.channels.rules import DEPTHWISE
from keras_kd.compress.pruning.channels.trace import called_as_built
from keras_kd.compress.rewrite import functional, is_model, nodes_of
from keras_kd.students.residual import FOLLOWERS, residual_blocks


@dataclasses.dataclass(frozen=True)
class Block:
    """What may be left out, from one tensor to another of the same shape.

    Args:
        name: Path of the layer that ends it.
        start: The tensor that it reads.
        end: The tensor that it makes.
        kind: What tells it from other kinds of blocks.
    """

    name: str
    start: Any
    end: Any
    kind: tuple[Any, ...]


def repeatable_blocks(model: keras.Model) -> list[Block]:
    """The blocks of a model that can be left out, in the order of computation.

    Args:
        model: A built functional or Sequential model.

    Returns:
        A list of `Block`.

    Example:

    ```python
    x = keras.Input((4,))
    y = keras.layers.Add()([x, keras.layers.Dense(4)(x)])
    net = keras.Model(x, keras.layers.Dense(2)(y))
    [block.name for block in repeatable_blocks(net)]  # ["add"]
    ```
    """
    found = list(_blocks(functional(model), "", _special))
    return found or list(_blocks(functional(model), "", _plain))


def left_out(blocks: list[Block], depth: float) -> dict[int, Any]:
    """Which blocks go, evenly spread: the tensors that take the place of others.

    Args:
        blocks: As `repeatable_blocks` gives them.
        depth: Float in (0, 1], the share that stays; of two the first.

    Returns:
        A dict for `instead` of `compress.rewrite.rewrite`.
    """
    count = len(blocks)
    kept = math.ceil(round(depth * count, 6))
    # The i-th stays where `kept·i / count` passes a whole number.
    goes = [
        i for i in range(count) if -(-i * kept // count) == -(-(i + 1) * kept // count)
    ]
    return {id(blocks[i].end): blocks[i].start for i in goes}


def _blocks(graph: Any, prefix: str, find: Any) -> Iterator[Block]:
    """The blocks of a graph and of the models nested in it."""
    readers = _readers(graph)
    nodes = list(nodes_of(graph))
    rank = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.outputs}
    own = [
        dataclasses.replace(block, name=f"{prefix}{block.name}")
        for block in find(graph, nodes, readers)
    ]
    ends = {id(block.end) for block in own}
    found = [(rank[id(block.end)], 0, [block]) for block in _together(own)]
    entered: set[int] = set()
    for i, node in enumerate(nodes):
        nested = node.operation
        again = id(nested) in entered
        if not is_model(nested) or again or not called_as_built(nested, node):
            continue
        entered.add(id(nested))
        if not ends & {id(tensor) for tensor in node.outputs}:
            inner = _blocks(functional(nested), f"{prefix}{nested.name}/", find)
            found.append((i, 1, list(inner)))
    for _, _, blocks in sorted(found, key=lambda entry: entry[:2]):
        yield from blocks


def _special(graph: Any, nodes: list[Any], readers: Any) -> list[Block]:
    """Residual blocks, and layers of one's own that follow each other."""
    found = [
        Block(end.operation.name, start, end.outputs[0], kind)
        for start, end, kind in residual_blocks(nodes, readers)
    ]
    for run in _runs([_alone(node) for node in nodes if _is_own(node)]):
        kinds = collections.Counter(block.kind for block in run)
        found += [block for block in run if kinds[block.kind] > 1]
    return found


def _plain(graph: Any, nodes: list[Any], readers: Any) -> list[Block]:
    """In a graph that is a chain: layers with kernels, and what follows each."""
    chain = all(len(node.input_tensors) == len(node.outputs) == 1 for node in nodes)
    if not chain or any(len(reading) > 1 for reading in readers.values()):
        return []
    parts: list[list[Any]] = [[]]
    for node in nodes:
        # A depthwise layer goes with the one that mixes its channels.
        alone = all(_is_depthwise(each) for each in parts[-1] if _has_kernels(each))
        starts = _has_kernels(node) and not (parts[-1] and alone)
        if starts or not (_has_kernels(node) or _accompanies(node)):
            parts.append([])
        if _has_kernels(node) or parts[-1]:
            parts[-1].append(node)
    outputs = {id(tensor) for tensor in keras.tree.flatten(graph._outputs_struct)}
    found = []
    # What reads the input is the stem, what makes the output the head.
    for part in [part for part in parts if part and part[0] is not nodes[0]]:
        start, end = part[0].input_tensors[0], part[-1].outputs[0]
        if start.shape == end.shape and id(end) not in outputs:
            kind = tuple(_kind_of(node.operation) for node in part)
            found.append(Block(part[-1].operation.name, start, end, kind))
    return found


def _together(blocks: list[Block]) -> list[Block]:
    """Runs of kinds that take turns, a turn as one block."""
    together = []
    for run in _runs(blocks):
        kinds = [block.kind for block in run]
        lengths = range(1, len(run) // 2 + 1)
        length = next((n for n in lengths if kinds[n:] == kinds[:-n]), 1)
        for i in range(0, len(run), length):
            turn = run[i : i + length]
            kind = tuple(block.kind for block in turn)
            together.append(Block(turn[-1].name, turn[0].start, turn[-1].end, kind))
    return together


def _runs(blocks: list[Block]) -> list[list[Block]]:
    """Blocks each of which begins where the last one ended."""
    runs: list[list[Block]] = []
    for block in blocks:
        for run in runs:
            if run[-1].end is block.start:
                run.append(block)
                break
        else:
            runs.append([block])
    return runs


def _readers(graph: Any) -> dict[int, list[Any]]:
    """The nodes that read each tensor, by its id."""
    readers: dict[int, list[Any]] = collections.defaultdict(list)
    for node in nodes_of(graph):
        for tensor in {id(t): t for t in node.input_tensors}.values():
            readers[id(tensor)].append(node)
    return readers


def _alone(node: Any) -> Block:
    operation = node.operation
    kind = (_kind_of(operation),)
    return Block(operation.name, node.input_tensors[0], node.outputs[0], kind)


def _is_own(node: Any) -> bool:
    """Whether it is a layer that Keras does not bring, or a model, as large after."""
    layer = node.operation
    if not isinstance(layer, keras.layers.Layer) or not layer.weights:
        return False
    if len(node.input_tensors) != 1 or len(node.outputs) != 1:
        return False
    own = is_model(layer) or not type(layer).__module__.startswith("keras.src.")
    return own and node.input_tensors[0].shape == node.outputs[0].shape


def _has_kernels(node: Any) -> bool:
    layer = isinstance(node.operation, keras.layers.Layer)
    return layer and not is_model(node.operation) and bool(kernels_of(node.operation))


def _is_depthwise(node: Any) -> bool:
    return type(node.operation) in DEPTHWISE


def _accompanies(node: Any) -> bool:
    """Whether a node without kernels leaves the shape and treats each channel."""
    shapes = {tuple(tensor.shape) for tensor in (*node.input_tensors, *node.outputs)}
    return type(node.operation) in FOLLOWERS and len(shapes) == 1


def _kind_of(operation: Any) -> Any:
    if is_model(operation):
        return tuple(
            _kind_of(node.operation) for node in nodes_of(functional(operation))
        )
    return type(operation).__name__
