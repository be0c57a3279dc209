"""How much working memory a .tflite file asks for, by planning lifetimes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from keras_kd.export import schema

ALIGNMENT = 64
BITS = {
    "FLOAT64": 64,
    "INT64": 64,
    "UINT64": 64,
    "COMPLEX64": 64,
    "COMPLEX128": 128,
    "FLOAT32": 32,
    "INT32": 32,
    "UINT32": 32,
    "FLOAT16": 16,
    "BFLOAT16": 16,
    "INT16": 16,
    "UINT16": 16,
    "INT4": 4,
    "UINT4": 4,
    "INT2": 2,
}
"""Bits per element; what is not named takes a byte."""


class Lifetime(NamedTuple):
    """A tensor's bytes, and the first and last operator that need them."""

    size: int
    first: int
    last: int


def arena_bytes(model: Any) -> int:
    """Estimate the tensor arena of a file, without a delegate.

    The interpreter's own strategy: the largest tensor first, each at the lowest
    offset where no tensor alive at the same time lies. XNNPACK and the scratch
    buffers of operators take memory of their own.

    Args:
        model: As `keras_kd.export.schema.load` gives it.

    Returns:
        Bytes, summed over the subgraphs.
    """
    return sum(arena_size(lifetimes(model, graph)) for graph in model.subgraphs)


def lifetimes(model: Any, graph: Any) -> list[Lifetime]:
    """The lifetimes of a subgraph's activations; its inputs and outputs outlast it."""
    ops = graph.operators or []
    first: dict[int, int] = {int(i): 0 for i in graph.inputs}
    last: dict[int, int] = {int(i): len(ops) for i in (*graph.inputs, *graph.outputs)}
    for index, op in enumerate(ops):
        for i in op.outputs:
            first.setdefault(int(i), index)
            last.setdefault(int(i), index)
        for i in op.inputs:
            if i >= 0:
                last[int(i)] = max(last.get(int(i), 0), index)
    return [
        Lifetime(tensor_bytes(graph.tensors[i]), begin, last[i])
        for i, begin in first.items()
        if not schema.is_constant(model, graph.tensors[i])
    ]


def arena_size(tensors: list[Lifetime]) -> int:
    """Place the tensors greedily by size; the highest end of them all."""
    placed: list[tuple[int, Lifetime]] = []
    for tensor in sorted(tensors, key=lambda t: (-t.size, t.first)):
        offset = 0
        for start, other in sorted(placed, key=lambda pair: pair[0]):
            together = other.first <= tensor.last and tensor.first <= other.last
            if together and start < offset + tensor.size:
                offset = max(offset, start + other.size)
        placed.append((offset, tensor))
    return max((offset + tensor.size for offset, tensor in placed), default=0)


def tensor_bytes(tensor: Any) -> int:
    """The bytes of a tensor, rounded up to the arena's alignment."""
    bits = math.prod(schema.shape(tensor)) * BITS.get(schema.tensor_type(tensor), 8)
    return -(-bits // (8 * ALIGNMENT)) * ALIGNMENT
