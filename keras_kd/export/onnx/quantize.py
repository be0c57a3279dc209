"""Fewer bits in an ONNX graph, by onnxruntime's quantizers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keras_kd.export.errors import ExportError
from keras_kd.export.onnx.graph import bodies_of, bodies_of_node, graphs_of
from keras_kd.export.onnx.optional import hushed, optional
from keras_kd.export.onnx.weights import weights_in_int8
from keras_kd.export.samples import Batch

DYNAMIC = ("MatMul", "Gemm")
"""Operators with an int8 form that reads its ranges as it runs, in ONNX's standard."""


def quantize_dynamic(proto: Any) -> Any:
    """Weights in int8; dense layers read ranges of activations as the file runs.

    Convolutions, embeddings and recurrent layers compute in float32: their weights
    are turned back to floats when the file is loaded.

    Args:
        proto: A float `onnx.ModelProto`.

    Returns:
        The quantized `onnx.ModelProto`.

    Raises:
        ExportError: If onnxruntime fails.
    """

    def run(quantization: Any, source: Any, target: Path, left_out: list[str]) -> None:
        quantization.quantize_dynamic(
            source,
            target,
            op_types_to_quantize=list(DYNAMIC),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=left_out,
        )

    return _quantized(proto, run)


def quantize_static(proto: Any, samples: Sequence[Batch]) -> Any:
    """Weights and activations in int8, as pairs of Quantize- and DequantizeLinear.

    Args:
        proto: A float `onnx.ModelProto`.
        samples: Calibration batches by input name; ranges are their minimum and
            maximum.

    Returns:
        The quantized `onnx.ModelProto`, weights per channel.

    Raises:
        ExportError: If onnxruntime fails.
    """

    def run(quantization: Any, source: Any, target: Path, left_out: list[str]) -> None:
        int8 = quantization.QuantType.QInt8
        quantization.quantize_static(
            source,
            target,
            _reader(quantization, samples),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=int8,
            weight_type=int8,
            nodes_to_exclude=left_out,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )

    return _quantized(proto, run)


def cleaned(proto: Any) -> Any:
    """A graph as the quantizers ask for it: shapes inferred, additions folded.

    Args:
        proto: An `onnx.ModelProto`.

    Returns:
        Another, in which a convolution has its bias inside.

    Raises:
        ExportError: If onnxruntime fails.
    """
    shapes = optional("onnxruntime.quantization.shape_inference")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(proto.SerializeToString())
        try:
            with hushed():
                # Symbolic shapes need SymPy, and add nothing to a graph like these.
                shapes.quant_pre_process(source, target, skip_symbolic_shape=True)
        # onnxruntime raises whatever Python and C++ raise.
        except Exception as error:
            raise ExportError(f"onnxruntime could not clean up: {error}") from error
        return optional("onnx").load(target)


def _quantized(proto: Any, run: Any) -> Any:
    """Run one of onnxruntime's quantizers on a graph."""
    quantization = optional("onnxruntime.quantization")
    clean = cleaned(proto)
    left_out = shared_with_bodies(clean.graph)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target.onnx")
        try:
            with hushed():
                run(quantization, clean, target, left_out)
        # onnxruntime raises whatever Python and C++ raise.
        except Exception as error:
            raise ExportError(f"onnxruntime could not quantize: {error}") from error
        quantized = optional("onnx").load(target)
    weights_in_int8(quantized)
    return quantized


def without_shapes(proto: Any) -> Any:
    """Take out inferred shapes, which every reader infers again."""
    for graph in graphs_of(proto.graph):
        del graph.value_info[:]
    return proto


def shared_with_bodies(graph: Any) -> list[str]:
    """The nodes whose tensors a loop or its body reads as well.

    onnxruntime may end the process where such a tensor comes from DequantizeLinear.
    """
    nodes = [node for body in bodies_of(graph) for node in body.node]
    nodes += [node for node in graph.node if any(bodies_of_node(node))]
    read = {name for node in nodes for name in node.input}
    return [
        node.name for node in graph.node if read & {*node.input, *node.output} - {""}
    ]


def _reader(quantization: Any, samples: Iterable[Batch]) -> Any:
    """Calibration batches one after the other, as the quantizer reads them."""

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> Batch | None:
            return next(self.left, None)

    return Reader()
