"""What an ONNX graph holds, and the names of its ends."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_kd.export.onnx.optional import optional
from keras_kd.export.signature import InputTensor

BATCH = "batch"
"""The name of the dynamic batch dimension."""

OWN_DOMAINS = ("", "ai.onnx")

PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
RECURRENT = ("LSTM", "GRU", "RNN")
"""Operators that the ONNX standard has in floats only."""


def graphs_of(graph: Any) -> Iterator[Any]:
    """A graph and the bodies of its loops and branches, however deep."""
    yield graph
    yield from bodies_of(graph)


def bodies_of(graph: Any) -> Iterator[Any]:
    """The bodies of a graph's loops and branches, however deep."""
    for node in graph.node:
        yield from bodies_of_node(node)


def bodies_of_node(node: Any) -> Iterator[Any]:
    """The bodies that a loop or branch runs; none for any other operator."""
    for attribute in node.attribute:
        single = [attribute.g] if attribute.HasField("g") else []
        for body in (*single, *attribute.graphs):
            yield from graphs_of(body)


def operators(proto: Any) -> dict[str, int]:
    """How often each operator occurs, in bodies too; others as `domain:name`."""
    counts = collections.Counter(
        node.op_type if node.domain in OWN_DOMAINS else f"{node.domain}:{node.op_type}"
        for graph in graphs_of(proto.graph)
        for node in graph.node
    )
    return dict(sorted(counts.items()))


def foreign_operators(proto: Any) -> list[str]:
    """The operators that the ONNX standard of the file's version does not have."""
    onnx = optional("onnx")
    (version,) = (o.version for o in proto.opset_import if o.domain in OWN_DOMAINS)
    return [
        name
        for name in operators(proto)
        if ":" in name or not onnx.defs.has(name, version)
    ]


def tensor_dtypes(proto: Any) -> dict[str, int]:
    """How many constants of each type there are."""
    onnx = optional("onnx")
    counts = collections.Counter(
        onnx.TensorProto.DataType.Name(tensor.data_type)
        for graph in graphs_of(proto.graph)
        for tensor in graph.initializer
    )
    return dict(sorted(counts.items()))


def float_islands(proto: Any) -> list[dict[str, Any]]:
    """The products and recurrent layers of a quantized file that use plain floats.

    Args:
        proto: An `onnx.ModelProto` with QuantizeLinear and DequantizeLinear.

    Returns:
        A list of dicts with `"operator"` and `"output"`.
    """
    islands = []
    for graph in graphs_of(proto.graph):
        restored = {
            name
            for node in graph.node
            if node.op_type == "DequantizeLinear"
            for name in node.output
        }
        islands += [
            {"operator": node.op_type, "output": node.output[0]}
            for node in graph.node
            if node.op_type in (*PRODUCTS, *RECURRENT)
            and not set(node.input[:2]) <= restored
        ]
    return islands


def output_sizes(proto: Any) -> dict[str, int | None]:
    """The size of each output's last axis by name; None where it is dynamic."""
    sizes: dict[str, int | None] = {}
    for end in proto.graph.output:
        axes = end.type.tensor_type.shape.dim
        known = len(axes) and axes[-1].HasField("dim_value")
        sizes[end.name] = int(axes[-1].dim_value) if known else None
    return sizes


def name_ends(
    proto: Any,
    inputs: Sequence[str],
    wanted: Sequence[InputTensor],
    outputs: Sequence[str],
    answers: Mapping[str, Sequence[int | None]],
    batch_size: int | None,
) -> None:
    """Give inputs and outputs the signature's names, order and dynamic sizes.

    An input that no operator reads, which tf2onnx drops, is put back.

    Args:
        proto: An `onnx.ModelProto`, changed in place.
        inputs: The names that the inputs have now.
        wanted: The `InputTensor` that each is to be.
        outputs: The names that the outputs have now.
        answers: The name that each is to have, and its shape as far as it is known.
        batch_size: Integer, or None for any.
    """
    onnx = optional("onnx")
    names = dict(zip(inputs, (t.name for t in wanted), strict=True))
    names |= dict(zip(outputs, answers, strict=True))
    rename(proto.graph, names)
    ends = [
        _end(
            tensor.name,
            onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)),
            [batch_size, *tensor.shape[1:]],
        )
        for tensor in wanted
    ]
    del proto.graph.input[:]
    proto.graph.input.extend(ends)
    for end in proto.graph.output:
        sizes = [batch_size, *answers[end.name][1:]]
        kind = end.type.tensor_type.elem_type
        end.CopyFrom(_end(end.name, kind, sizes))


def rename(graph: Any, names: dict[str, str]) -> None:
    """Rename tensors wherever they occur; a name that is taken makes room."""
    taken = {
        name
        for part in graphs_of(graph)
        for node in part.node
        for name in (*node.input, *node.output)
    } | {tensor.name for part in graphs_of(graph) for tensor in part.initializer}
    names = {
        **{n: f"{n}__inner" for n in set(names.values()) & taken if n not in names},
        **names,
    }
    for part in graphs_of(graph):
        for node in part.node:
            for ends in (node.input, node.output):
                ends[:] = [names.get(name, name) for name in ends]
        for named in (*part.input, *part.output, *part.initializer, *part.value_info):
            named.name = names.get(named.name, named.name)


def _end(name: str, kind: int, sizes: Sequence[int | None]) -> Any:
    """An input or output; its dynamic sizes are `batch` and `<name>_<axis>`."""
    named = [
        size or (f"{name}_{axis}" if axis else BATCH) for axis, size in enumerate(sizes)
    ]
    return optional("onnx").helper.make_tensor_value_info(name, kind, named)
