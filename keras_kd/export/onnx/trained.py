"""A quantization-aware model's kernels, as the int8 numbers they were trained to be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.export.errors import ExportError
from keras_kd.export.onnx.graph import PRODUCTS
from keras_kd.export.onnx.optional import hushed, optional
from keras_kd.export.onnx.runtime import ERRORS_ONLY
from keras_kd.export.onnx.weights import in_int8

OWN_RANGES = "WeightBiasQuantization"
"""The optimizer of onnxruntime that rounds kernels to one scale for all channels."""


def with_integer_kernels(proto: Any) -> Any:
    """Store the kernels of a fake-quantized graph as int8, their biases as int32.

    A fake-quantized kernel's largest number of each channel lies on the last step
    of its grid, and batch normalization, folded into it, scales whole channels: so
    the grid is found again, and nothing is rounded twice.

    Args:
        proto: An `onnx.ModelProto` whose activations were fake-quantized; changed
            in place.

    Returns:
        Another, in which products of quantized numbers have integer kernels.

    Raises:
        ExportError: If onnxruntime fails.
    """
    onnx = optional("onnx")
    proto = _folded(proto)
    graph = proto.graph
    floats = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    scale_of = {
        name: floats[node.input[1]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[1] in floats
        for name in node.output
    }
    stored: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
    for node in graph.node:
        if node.op_type not in PRODUCTS or node.input[0] not in scale_of:
            continue
        kernel = node.input[1]
        if kernel not in floats:
            continue
        axis = _output_axis(node, floats[kernel].ndim)
        steps, scale = in_int8(floats[kernel], axis)
        stored[kernel] = steps, scale.reshape(-1), axis
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias in floats:
            step = (scale.reshape(-1) * scale_of[node.input[0]]).astype("float32")
            limits = np.iinfo("int32")
            whole = np.clip(np.rint(floats[bias] / step), limits.min, limits.max)
            # Two products may share a bias of zeros, but not its scale.
            node.input[2] = f"{node.output[0]}_bias"
            stored[node.input[2]] = whole.astype("int32"), step, 0
    _store(graph, stored)
    return proto


def _folded(proto: Any) -> Any:
    """The graph with scales and additions inside the convolutions before them."""
    runtime = optional("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "folded.onnx")
        options.optimized_model_filepath = str(target)
        try:
            with hushed():
                runtime.InferenceSession(
                    proto.SerializeToString(),
                    options,
                    providers=["CPUExecutionProvider"],
                    disabled_optimizers=[OWN_RANGES],
                )
        # onnxruntime raises whatever Python and C++ raise.
        except Exception as error:
            raise ExportError(f"onnxruntime refuses the graph: {error}") from error
        return optional("onnx").load(target)


def _store(graph: Any, stored: dict[str, tuple[np.ndarray, np.ndarray, int]]) -> None:
    """Put integers and scales, and the nodes that restore them, in place of floats."""
    onnx = optional("onnx")
    nodes = []
    for name, (steps, scale, axis) in stored.items():
        parts = {f"{name}_steps": steps, f"{name}_scale": scale}
        if steps.dtype == np.int8:  # of an int32 bias it is zero without saying
            parts[f"{name}_zero"] = np.zeros(scale.shape, "int8")
        for part, array in parts.items():
            graph.initializer.append(onnx.numpy_helper.from_array(array, part))
        nodes.append(
            onnx.helper.make_node(
                "DequantizeLinear", list(parts), [name], f"{name}_restored", axis=axis
            )
        )
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [t for t in graph.initializer if t.name in read and t.name not in stored]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _output_axis(node: Any, rank: int) -> int:
    """The axis of a product's kernel that belongs to its outputs."""
    if node.op_type == "Gemm":
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        return 0 if transposed else 1
    return {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, rank - 1)
