"""Residual blocks in a graph: a sum of a tensor and of what is made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_kd.compress.pruning.channels.looser import NORMALIZATIONS
from keras_kd.compress.pruning.channels.rules import EACH_CHANNEL

FOLLOWERS = EACH_CHANNEL | NORMALIZATIONS


def residual_blocks(
    nodes: list[Any], readers: Mapping[int, list[Any]]
) -> Iterator[tuple[Any, Any, tuple[str, ...]]]:
    """The blocks `x + f(x)` whose sum has the shape of `x`, and hold no others.

    Where the sum is normalized or activated before anything else reads it, and so
    was `x`, or the next block begins there, that belongs to the block too: in ResNet
    the ReLU, in a transformer the normalization after each part.

    Args:
        nodes: The nodes of a graph, in the order of computation.
        readers: The nodes that read each tensor, by its id.

    Yields:
        Tuples of `x`, the node that ends the block, and the classes of its layers.
    """
    maker = {id(tensor): node for node in nodes for tensor in node.outputs}
    place = {id(node): i for i, node in enumerate(nodes)}
    found = []
    for node in nodes:
        for start, branch in _sums(node):
            inside = _between(start, branch, maker, place)
            if inside:
                found.append((start, node, inside))
    sums = {id(node) for _, node, _ in found}
    starts = {id(start) for start, _, _ in found}
    for start, node, inside in found:
        if sums & set(inside):
            continue
        path = sorted(inside.values(), key=lambda each: place[id(each)])
        end = _with_what_follows(start, node, maker, readers, starts)
        yield start, end, tuple(type(each.operation).__name__ for each in path)


def _sums(node: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a shortcut and a branch that a sum may be made of."""
    operation = node.operation
    kind = type(operation)
    ours = kind is keras.layers.Add or (
        kind.__name__ == "Add" and kind.__module__.startswith("keras.src.ops")
    )
    tensors = node.input_tensors
    if not ours or len(tensors) != 2 or tensors[0] is tensors[1]:
        return
    for start, branch in (tensors, tensors[::-1]):
        if start.shape == node.outputs[0].shape:
            yield start, branch


def _between(
    start: Any, end: Any, maker: dict[int, Any], place: dict[int, int]
) -> dict[int, Any]:
    """The nodes on the ways from one tensor to another, by id; none: an empty dict."""
    leads: dict[int, bool] = {}
    inside: dict[int, Any] = {}
    first = place[id(maker[id(start)])] if id(start) in maker else -1

    def reached(tensor: Any) -> bool:
        if tensor is start:
            return True
        node = maker.get(id(tensor))
        if node is None or place[id(node)] <= first:
            return False
        if id(node) not in leads:
            leads[id(node)] = any([reached(each) for each in node.input_tensors])
            if leads[id(node)]:
                inside[id(node)] = node
        return leads[id(node)]

    reached(end)
    return inside


def _with_what_follows(
    start: Any,
    node: Any,
    maker: dict[int, Any],
    readers: Mapping[int, list[Any]],
    starts: set[int],
) -> Any:
    after = readers.get(id(node.outputs[0]), [])
    if len(after) != 1 or type(after[0].operation) not in FOLLOWERS:
        return node
    before = maker.get(id(start))
    alike = before is not None and type(before.operation) is type(after[0].operation)
    end = after[0].outputs[0]
    ends = alike or id(end) in starts
    return after[0] if ends and end.shape == start.shape else node
