"""Whether TensorFlow Lite for Microcontrollers can run a file, and in what memory."""

from __future__ import annotations

from typing import Any

from keras_kd.export import schema
from keras_kd.export.benchmark import arena
from keras_kd.validation import listing

OPERATORS = frozenset(
    """ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION
    CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU
    EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD
    FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF
    L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM
    MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE
    REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT
    SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V
    SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE
    TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE
    ZEROS_LIKE""".split()
)
"""What TFLite-Micro has, by the names of the schema."""

# Bytes that TFLite-Micro's bookkeeping takes on a 64-bit machine, rounded up; a
# microcontroller's pointers are half as long. tests/clients holds the sum against
# the interpreter's own.
BASE, PER_TENSOR, PER_OPERATOR, PER_CHANNEL = 1024, 24, 256, 8


def unsuitable(model: Any) -> str | None:
    """Why TFLite-Micro cannot run a file, and the way out; None if it can.

    Args:
        model: As `keras_kd.export.schema.load` gives it.

    Returns:
        One sentence, or None.
    """
    absent = [name for name in schema.operators(model) if name not in OPERATORS]
    if absent:
        return (
            f"it has no operator {listing(absent)}. Leave the layers that need them "
            "out of the student."
        )
    if schema.subgraph_of(model) != 0:
        return "it runs the file's first subgraph, and 'serve' is another."
    for graph in model.subgraphs:
        for op in graph.operators or []:
            name = schema.operator_name(model, op)
            tensors = [graph.tensors[i] for i in op.inputs if i >= 0]
            if name == "DEQUANTIZE" and schema.is_constant(model, tensors[0]):
                kind = schema.tensor_type(tensors[0])
                return (
                    f"its weights are {kind} and must become float32 as it runs, which "
                    "TFLite-Micro refuses or does wrongly. Use recipe='int8'."
                )
            types = [schema.tensor_type(tensor) for tensor in tensors[:2]]
            if types[0] == "FLOAT32" and types[1:] in (["INT8"], ["INT4"]):
                return (
                    f"{name} has float32 inputs and {types[1]} weights (recipe "
                    "'dynamic_int8'). Use recipe='int8'."
                )
    return None


def arena_estimate(model: Any) -> int:
    """Bytes of memory that `MicroInterpreter` asks for, as an upper estimate.

    Activations by `keras_kd.export.arena`, and the interpreter's bookkeeping.
    Kernels made for one processor (CMSIS-NN, ESP-NN) want scratch memory on top.

    Args:
        model: As `keras_kd.export.schema.load` gives it.

    Returns:
        Integer, a multiple of 64.
    """
    tensors = operators = channels = 0
    for graph in model.subgraphs:
        tensors += len(graph.tensors)
        for op in graph.operators or []:
            operators += 1
            if schema.operator_name(model, op) in (
                "CONV_2D",
                "DEPTHWISE_CONV_2D",
                "TRANSPOSE_CONV",
                "FULLY_CONNECTED",
            ):
                channels += schema.shape(graph.tensors[op.outputs[0]])[-1]
    books = tensors * PER_TENSOR + operators * PER_OPERATOR + channels * PER_CHANNEL
    return -(-(arena.arena_bytes(model) + BASE + books) // 64) * 64
