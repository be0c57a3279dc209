"""Large float weights of an ONNX graph, stored in int8."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_kd.export.onnx.graph import graphs_of
from keras_kd.export.onnx.optional import optional

SMALLEST = 1024
"""Elements of the smallest weight worth it: LiteRT's own threshold."""

CHANNELS = {"Conv": 0, "ConvTranspose": 1, "LSTM": 1, "GRU": 1, "RNN": 1}
"""The axis of a weight that belongs to outputs; the last for other operators."""


def weights_in_int8(proto: Any) -> None:
    """Store what a quantizer left in floats as int8 and a scale per channel.

    A Cast and a Mul restore each weight. They are constants to onnxruntime, which
    folds them as it loads the file, so the arithmetic is that of floats and as
    fast; a DequantizeLinear would be run every time.

    Args:
        proto: An `onnx.ModelProto`, changed in place.
    """
    onnx = optional("onnx")
    graph = proto.graph
    axes = {
        name: CHANNELS.get(node.op_type, -1)
        for part in graphs_of(graph)
        for node in part.node
        for name in node.input
    }
    restoring = []
    for tensor in list(graph.initializer):
        large = np.prod(tensor.dims) >= SMALLEST and len(tensor.dims) > 1
        is_float = tensor.data_type == onnx.TensorProto.FLOAT
        if not large or not is_float or tensor.name not in axes:
            continue
        name = tensor.name
        steps, scale = in_int8(onnx.numpy_helper.to_array(tensor), axes[name])
        graph.initializer.remove(tensor)
        for part, array in ((f"{name}_int8", steps), (f"{name}_scale", scale)):
            graph.initializer.append(onnx.numpy_helper.from_array(array, part))
        restoring += [
            onnx.helper.make_node(
                "Cast",
                [f"{name}_int8"],
                [f"{name}_steps"],
                f"{name}_cast",
                to=onnx.TensorProto.FLOAT,
            ),
            onnx.helper.make_node(
                "Mul", [f"{name}_steps", f"{name}_scale"], [name], f"{name}_restored"
            ),
        ]
    nodes = [*restoring, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def in_int8(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric int8 numbers, and their scale, which varies along `axis` only."""
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype("float32")
    return np.rint(values / scale).astype("int8"), scale
