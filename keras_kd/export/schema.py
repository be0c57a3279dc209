"""What a .tflite file says about itself, read without running it."""

from __future__ import annotations

import collections
import functools
import math
import os
import struct
from pathlib import Path
from typing import Any

from keras_kd.export.errors import VerificationError

WEIGHT_TYPES = ("FLOAT32", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "INT4", "INT2")
FLOAT_TYPES = ("FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64")
DOORS = ("QUANTIZE", "DEQUANTIZE")
MAIN = "serve"
"""The signature that is meant where a file has several."""


def load(artifact: str | os.PathLike[str] | bytes) -> Any:
    """Unpack a .tflite file into the schema's `ModelT` object.

    Args:
        artifact: Path of the file, or its bytes.

    Returns:
        An `ai_edge_litert.schema_py_generated.ModelT`.

    Raises:
        ValueError: If the bytes are not a TFLite flatbuffer.
        VerificationError: If they are one that is damaged.

    Example:

    ```python
    export_tflite(model, "student.tflite")
    operators(load("student.tflite"))  # {'CONV_2D': 1, ...}
    ```
    """
    from ai_edge_litert import schema_py_generated as schema

    content = artifact if isinstance(artifact, bytes) else Path(artifact).read_bytes()
    if content[4:8] != b"TFL3":
        raise ValueError(
            f"`artifact` is not a TFLite file: it lacks the mark 'TFL3'. "
            f"Received: {len(content)} bytes"
            f"{'' if isinstance(artifact, bytes) else f' in {str(artifact)!r}'}."
        )
    try:
        return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    except (struct.error, ValueError, IndexError, TypeError) as error:
        raise VerificationError(
            f"The file is damaged: {len(content)} bytes cannot be read as a TFLite "
            "file. Export or copy it again."
        ) from error


def operators(model: Any) -> dict[str, int]:
    """How often each operator occurs, over all subgraphs, by name."""
    counts = collections.Counter(
        operator_name(model, op) for graph in model.subgraphs for op in _ops(graph)
    )
    return dict(sorted(counts.items()))


def foreign_operators(model: Any) -> list[str]:
    """The operators that the plain LiteRT runtime does not have."""
    return [name for name in operators(model) if name.startswith("CUSTOM:")]


def tensor_dtypes(model: Any) -> dict[str, int]:
    """How many tensors of each type there are, over all subgraphs."""
    counts = collections.Counter(
        tensor_type(tensor) for graph in model.subgraphs for tensor in graph.tensors
    )
    return dict(sorted(counts.items()))


def float_islands(model: Any) -> list[dict[str, Any]]:
    """The operators of a quantized file that still compute with floats.

    Asking the converter for integer operators does not guarantee them. Operators
    that quantize or dequantize are doors, not islands.

    Args:
        model: As `load` gives it.

    Returns:
        A list of dicts with `"subgraph"`, `"index"`, `"operator"` and `"output"`
        (the name of the tensor it makes).
    """
    islands = []
    for number, graph in enumerate(model.subgraphs):
        for index, op in enumerate(_ops(graph)):
            name = operator_name(model, op)
            tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
            if name in DOORS or not any(
                tensor_type(tensor) in FLOAT_TYPES for tensor in tensors
            ):
                continue
            islands.append(
                {
                    "subgraph": number,
                    "index": index,
                    "operator": name,
                    "output": text(graph.tensors[op.outputs[0]].name),
                }
            )
    return islands


def activations(model: Any) -> list[dict[str, Any]]:
    """The tensors that are computed, not stored in the file.

    Args:
        model: As `load` gives it.

    Returns:
        A list of dicts with `"subgraph"`, `"tensor"` (its name), `"type"`,
        `"quantized"` (whether its integers stand for real numbers) and `"door"`:
        whether it is a float input that is only quantized, or an output that was
        just dequantized, of a subgraph that a signature names.
    """
    entries = {int(s.subgraphIndex) for s in signatures(model)} or {0}
    found = []
    for number, graph in enumerate(model.subgraphs):
        doors = _doors(model, graph) if number in entries else set()
        # Inputs and what operators make: a tensor that nobody makes is neither.
        made = {int(i) for op in _ops(graph) for i in op.outputs}
        for index in sorted(made | {int(i) for i in graph.inputs}):
            tensor = graph.tensors[index]
            if not is_constant(model, tensor):
                found.append(
                    {
                        "subgraph": number,
                        "tensor": text(tensor.name),
                        "type": tensor_type(tensor),
                        "quantized": steps(tensor) is not None,
                        "door": index in doors,
                    }
                )
    return found


def _doors(model: Any, graph: Any) -> set[int]:
    """Float inputs that only QUANTIZE reads, float outputs that DEQUANTIZE makes."""
    read: dict[int, set[str]] = collections.defaultdict(set)
    maker: dict[int, str] = {}
    for op in _ops(graph):
        name = operator_name(model, op)
        for i in op.inputs:
            read[int(i)].add(name)
        for i in op.outputs:
            maker[int(i)] = name
    entering, leaving = (
        {int(i) for i in ends} for ends in (graph.inputs, graph.outputs)
    )
    opened = {i for i in entering - leaving if read[i] == {"QUANTIZE"}}
    closed = {i for i in leaving if maker.get(i) == "DEQUANTIZE" and not read[i]}
    return opened | closed


def parameters(model: Any) -> int:
    """The number of weights, each buffer counted once.

    Constants of floating or 8-bit and smaller integer type, and the int32 biases of
    quantized operators; not the shapes and axes that operators also keep as
    constants.
    """
    seen: dict[int, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            quantized = tensor.quantization is not None and _size(
                tensor.quantization.scale
            )
            if is_constant(model, tensor) and (
                tensor_type(tensor) in WEIGHT_TYPES or quantized
            ):
                seen[tensor.buffer] = math.prod(shape(tensor))
    return sum(seen.values())


def macs(model: Any) -> int:
    """Multiply-accumulate operations of one inference at the file's batch size.

    Convolutions, dense layers and matrix products; the body of a loop counts once.
    """
    return sum(
        operator_macs(model, graph, op)
        for graph in model.subgraphs
        for op in _ops(graph)
    )


def operator_macs(model: Any, graph: Any, op: Any) -> int:
    """Multiply-accumulate operations of one operator; zero for all but products."""
    name = operator_name(model, op)
    sizes = [shape(graph.tensors[i]) if i >= 0 else () for i in op.inputs]
    out = math.prod(shape(graph.tensors[op.outputs[0]])) if _size(op.outputs) else 0
    if name == "CONV_2D":  # filter: (out, height, width, in per group)
        return out * math.prod(sizes[1][1:])
    if name == "DEPTHWISE_CONV_2D":  # filter: (1, height, width, out)
        return out * math.prod(sizes[1][1:3])
    if name == "TRANSPOSE_CONV":  # each input element is spread over one filter
        return math.prod(sizes[2]) * math.prod(sizes[1][:3])
    if name == "CONV_3D":  # filter: (depth, height, width, in, out)
        return out * math.prod(sizes[1][:4])
    if name == "FULLY_CONNECTED":  # weights: (out, in)
        return out * sizes[1][-1]
    if name == "BATCH_MATMUL":
        transposed = bool(op.builtinOptions and op.builtinOptions.adjX)
        return out * sizes[0][-2 if transposed else -1]
    return 0


def operator_name(model: Any, op: Any) -> str:
    """`CONV_2D`, …; an operator outside the built-ins is `CUSTOM:name`."""
    code = model.operatorCodes[op.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _names("BuiltinOperator").get(number, f"CUSTOM:unknown {number}")
    return f"CUSTOM:{text(code.customCode)}" if name == "CUSTOM" else name


def tensor_type(tensor: Any) -> str:
    """`FLOAT32`, `INT8`, …"""
    return _names("TensorType")[tensor.type]


def shape(tensor: Any) -> tuple[int, ...]:
    """The static shape of a tensor; a dynamic size is one."""
    return tuple(int(size) for size in tensor.shape) if _size(tensor.shape) else ()


def subgraph_of(model: Any, signature: str | None = None) -> int:
    """The subgraph that a signature runs.

    Args:
        model: As `load` gives it.
        signature: String. Defaults to `None`: the only one, or `"serve"`.

    Returns:
        Integer; 0 where there is no such signature.
    """
    found = {text(s.signatureKey): int(s.subgraphIndex) for s in signatures(model)}
    if signature is None and len(found) == 1:
        return next(iter(found.values()))
    return found.get(signature or MAIN, 0)


def signatures(model: Any) -> list[Any]:
    """The signatures of a file, which may have none."""
    return list(model.signatureDefs or ())


def steps(tensor: Any) -> tuple[float, int] | None:
    """Scale and zero point of a quantized tensor; those of its first channel."""
    quantization = tensor.quantization
    if quantization is None or not _size(quantization.scale):
        return None
    zeros = quantization.zeroPoint
    return float(quantization.scale[0]), int(zeros[0]) if _size(zeros) else 0


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether the tensor's values are in the file."""
    buffer = model.buffers[tensor.buffer]
    return bool(_size(buffer.data) or getattr(buffer, "size", 0))


@functools.cache
def _names(enumeration: str) -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    members = vars(getattr(schema, enumeration))
    return {value: name for name, value in members.items() if name[0] != "_"}


def _ops(graph: Any) -> Any:
    return graph.operators or []


def _size(vector: Any) -> int:
    """The length of a flatbuffer vector, which is None where it is absent."""
    return 0 if vector is None else len(vector)


def text(name: Any) -> str:
    """A name in the file as a string."""
    return name.decode() if isinstance(name, bytes) else str(name or "")
