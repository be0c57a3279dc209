"""How tf2onnx writes the operators that it does not know, or writes wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np


def handlers() -> dict[str, tuple[Any, list[Any]]]:
    """The handlers by TensorFlow operator, as `custom_op_handlers` takes them."""
    return {
        "Erfc": (erfc, []),
        "FakeQuantWithMinMaxVars": (fake_quantization, []),
    }


def erfc(context: Any, node: Any, name: str, args: Any) -> None:
    """`erfc(x) = 1 − erf(x)`: ONNX has no Erfc, and the exact GELU is made of it."""
    from tf2onnx import utils

    (x,), (out,) = node.input, node.output
    dtype, shape = context.get_dtype(out), context.get_shape(out)
    context.remove_node(node.name)
    one = np.asarray(1, utils.map_onnx_to_numpy_type(dtype))
    constant = context.make_const(utils.make_name("one"), one)
    erf = context.make_node("Erf", [x], shapes=[shape], dtypes=[dtype])
    context.make_node(
        "Sub",
        [constant.output[0], erf.output[0]],
        name=node.name,
        outputs=[out],
        shapes=[shape],
        dtypes=[dtype],
    )


def fake_quantization(context: Any, node: Any, name: str, args: Any) -> None:
    """The trained range of an activation, as int8 QuantizeLinear and back."""
    from tf2onnx import utils

    x, (out,) = node.input[0], node.output
    dtype, shape = context.get_dtype(out), context.get_shape(out)
    low, high = (n.get_tensor_value(as_list=False) for n in node.inputs[1:3])
    bits, narrow = (
        node.get_attr_value("num_bits", 8),
        node.get_attr_value("narrow_range"),
    )
    if bits != 8:
        raise ValueError(f"Fake quantization to {bits} bits has no int8 counterpart.")
    context.remove_node(node.name)
    grid = [
        context.make_const(utils.make_name(name), value).output[0]
        for value in scale_and_zero_point(low, high, narrow=bool(narrow))
    ]
    int8 = utils.map_numpy_to_onnx_dtype(np.dtype("int8"))
    steps = context.make_node(
        "QuantizeLinear", [x, *grid], shapes=[shape], dtypes=[int8]
    )
    context.make_node(
        "DequantizeLinear",
        [steps.output[0], *grid],
        name=node.name,
        outputs=[out],
        shapes=[shape],
        dtypes=[dtype],
    )


def scale_and_zero_point(
    low: np.ndarray, high: np.ndarray, narrow: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The int8 grid that `tf.quantization.fake_quant_with_min_max_vars` rounds to.

    Args:
        low: Lower end of the range, or one for each channel.
        high: Upper end.
        narrow: Whether the lowest of the 256 steps is left out.

    Returns:
        The scale, float32, and the zero point, int8, of the shape of `low`.
    """
    low, high = np.asarray(low, "float32"), np.asarray(high, "float32")
    first = 1 if narrow else 0
    scale = ((high - low) / np.float32(255 - first)).astype("float32")
    zero = np.clip(np.rint(first - low / scale), first, 255)
    return np.asarray(scale), np.asarray(zero - 128, "int8")
