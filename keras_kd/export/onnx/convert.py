"""From a Keras student to an ONNX graph: the only file that calls tf2onnx."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.export.errors import ExportError
from keras_kd.export.onnx.graph import foreign_operators, name_ends
from keras_kd.export.onnx.handlers import handlers
from keras_kd.export.onnx.optional import hushed, optional
from keras_kd.export.signature import Signature
from keras_kd.export.tflite.tracing import trace


class Frozen:
    """What tf2onnx asks a `tf.function` for, with every capture a constant.

    Tensors that a layer holds outside its variables, such as the mean and variance
    of Normalization, would otherwise become further inputs of the file.

    Args:
        concrete: A concrete function, as `keras_kd.export.tracing.trace` gives it.
    """

    def __init__(self, concrete: Any) -> None:
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        self.outputs: dict[str, Any] = concrete.structured_outputs
        self.function = convert_variables_to_constants_v2(
            concrete, lower_control_flow=False, aggressive_inlining=True
        )

    def get_concrete_function(self, *_: Any) -> Any:
        return self.function


def freeze(model: keras.Model, signature: Signature, batch_size: int | None) -> Frozen:
    """A model's inference as a function without variables."""
    with hushed():
        return Frozen(trace(model, signature, batch_size)[0])


def convert(
    frozen: Frozen, signature: Signature, batch_size: int | None, opset: int
) -> Any:
    """Convert a function, and name what goes in and comes out.

    Args:
        frozen: As `freeze` gives it.
        signature: The model's `Signature`.
        batch_size: Integer, or None for any.
        opset: Integer. The version of ONNX's operators.

    Returns:
        An `onnx.ModelProto` with float32 weights.

    Raises:
        ExportError: If tf2onnx fails, or ONNX lacks an operator of the model.
    """
    tf2onnx = optional("tf2onnx")
    inputs, outputs = frozen.function.inputs, frozen.outputs
    try:
        with hushed():
            proto, _ = tf2onnx.convert.from_function(
                frozen, inputs, opset, custom_op_handlers=handlers()
            )
    # Handlers raise whatever NumPy and tf2onnx raise.
    except Exception as error:
        raise ExportError(f"tf2onnx failed: {error}") from error
    name_ends(
        proto,
        [tensor.name for tensor in inputs],
        signature.inputs,
        [tensor.name for tensor in frozen.function.outputs],
        {name: list(outputs[name].shape) for name in sorted(outputs)},
        batch_size,
    )
    foreign = foreign_operators(proto)
    if foreign:
        raise ExportError(
            f"ONNX has no operator for {', '.join(foreign)}. Replace it in the model, "
            "or leave that step to the app."
        )
    return proto


def check(proto: Any) -> None:
    """Have ONNX's own checker look at a graph.

    Raises:
        ExportError: If it finds a fault, or an operator of another domain is left.
    """
    foreign = foreign_operators(proto)
    if foreign:
        raise ExportError(f"The graph has operators outside of ONNX: {foreign}.")
    try:
        optional("onnx").checker.check_model(proto, full_check=True)
    # The checker and shape inference have errors of their own.
    except Exception as error:
        raise ExportError(f"The graph is not valid ONNX: {error}") from error
