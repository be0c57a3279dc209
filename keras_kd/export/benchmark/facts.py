"""What can be told of a file without running it."""

from __future__ import annotations

import dataclasses
import gzip
import math
from pathlib import Path
from typing import Any

from keras_kd.export import schema
from keras_kd.export.benchmark.arena import arena_bytes
from keras_kd.export.onnx import graph
from keras_kd.export.onnx.optional import optional

ONNX_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""What onnxruntime has built in."""
ONNX_WEIGHTS = ("FLOAT", "FLOAT16", "INT8", "UINT8", "INT4", "UINT4", "INT32")


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """A file by itself; None is what its format does not tell.

    Args:
        bytes: Integer. Size of the file.
        gzip_bytes: Integer. Size compressed.
        parameters: Integer. Weights in the file.
        macs: Integer. Multiply-accumulates of one inference.
        arena_bytes: Integer. An estimate of the memory for activations.
        operators: Dict from operator to how often it occurs.
        foreign_operators: List. Operators that the plain runtime does not have.
        tensor_dtypes: Dict from type to the number of tensors.
        activations: List of dicts, as `schema.activations` gives them.
        float_islands: List of dicts, as `schema.float_islands` gives them, of a file
            that computes in integers; None for another.
    """

    bytes: int
    gzip_bytes: int
    parameters: int
    macs: int | None
    arena_bytes: int | None
    operators: dict[str, int]
    foreign_operators: list[str]
    tensor_dtypes: dict[str, int]
    activations: list[dict[str, Any]] | None = None
    float_islands: list[dict[str, Any]] | None = None


def file_facts(path: Path) -> FileFacts:
    """Read a .tflite or .onnx file.

    Args:
        path: Path of the file.

    Returns:
        A `FileFacts`.

    Raises:
        ValueError: If it is neither.
    """
    content = path.read_bytes()
    sizes: dict[str, Any] = {
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, mtime=0)),
    }
    if path.suffix == ".onnx":
        return FileFacts(**sizes, **_onnx(path))
    model = schema.load(path)
    activations = schema.activations(model)
    integers = any(tensor["quantized"] for tensor in activations)
    return FileFacts(
        **sizes,
        parameters=schema.parameters(model),
        macs=schema.macs(model),
        arena_bytes=arena_bytes(model),
        operators=schema.operators(model),
        foreign_operators=schema.foreign_operators(model),
        tensor_dtypes=schema.tensor_dtypes(model),
        activations=activations,
        float_islands=schema.float_islands(model) if integers else None,
    )


def _onnx(path: Path) -> dict[str, Any]:
    """What an ONNX file tells: its graph and its constants."""
    onnx = optional("onnx")
    model = onnx.load(str(path))
    names = onnx.TensorProto.DataType.Name
    operators = graph.operators(model)
    return {
        "parameters": sum(
            math.prod(tensor.dims)
            for part in graph.graphs_of(model.graph)
            for tensor in part.initializer
            if names(tensor.data_type) in ONNX_WEIGHTS
        ),
        "macs": None,
        "arena_bytes": None,
        "operators": operators,
        "foreign_operators": [
            name for name in operators if name.rpartition(":")[0] not in ONNX_DOMAINS
        ],
        "tensor_dtypes": graph.tensor_dtypes(model),
    }
