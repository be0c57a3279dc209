"""What a model costs: its parameters, their bytes, and what it multiplies."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_kd.compress.kernels import kernels_of
from keras_kd.compress.rewrite import Instead, functional, is_model, nodes_of

ShapeOf = Callable[[Any, Any], "tuple[int, ...]"]
"""`(layer, variable) -> shape`."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs.

    Args:
        parameters: Integer. Its weights, those that are not trained too.
        macs: Integer. Multiply-accumulates of one example in convolutions, dense
            layers, attention, recurrent layers and matrix products; None where the
            model takes inputs of any size.
        bytes: Integer. The weights in their own dtypes.
        uncounted: Tuple of the names of layers with kernels whose multiply-accumulates
            are not known and not in `macs`: layers of one's own.
    """

    parameters: int
    macs: int | None
    bytes: int
    uncounted: tuple[str, ...] = ()

    def __str__(self) -> str:
        macs = "unknown" if self.macs is None else f"{self.macs:,}"
        more = f", without {', '.join(self.uncounted)}" if self.uncounted else ""
        return (
            f"{self.parameters:,} parameters, {macs} multiply-accumulates{more}, "
            f"{self.bytes:,} bytes"
        )


def cost_of(model: keras.Model) -> Cost:
    """Count what a model costs, layer by layer, without running it.

    Args:
        model: A built functional or Sequential model. Layers that are called twice
            have their parameters counted once and their products twice.

    Returns:
        A `Cost`.

    Raises:
        TypeError: If `model` is no `keras.Model`.
        ValueError: If it is subclassed: what it computes is in its code.

    Example:

    ```python
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, padding="same")(x)
    cost_of(keras.Model(x, y)).macs  # 8 · 8 · 3 · 3 · 3 · 4 = 6912
    ```
    """
    return cost(model, lambda layer, variable: _sizes(variable.shape))


def cost(model: keras.Model, shape_of: ShapeOf, instead: Instead | None = None) -> Cost:
    """The cost of a model whose weights had other shapes, and without some blocks.

    Args:
        model: A built functional or Sequential model.
        shape_of: Function `(layer, variable) -> shape`.
        instead: As `compress.rewrite.rewrite` takes it. Defaults to `None`.
    """
    macs: int | None = 0
    uncounted: list[str] = []
    layers: dict[int, Any] = {}
    for node in calls(model, instead):
        layer = node.operation
        if isinstance(layer, keras.layers.Layer):
            layers[id(layer)] = layer
        try:
            products = _products(node, shape_of)
        except TypeError:  # A size that is None.
            macs = None
            continue
        if products is None:
            uncounted.append(layer.name)
        elif macs is not None:
            macs += products
    sizes = {
        id(variable): (math.prod(shape_of(layer, variable)), variable.dtype)
        for layer in layers.values()
        for variable in layer.weights
    }
    return Cost(
        parameters=sum(size for size, _ in sizes.values()),
        macs=macs,
        bytes=sum(size * _bytes_of(dtype) for size, dtype in sizes.values()),
        uncounted=tuple(dict.fromkeys(uncounted)),
    )


def calls(model: Any, instead: Instead | None = None) -> Iterator[Any]:
    """The nodes of a model and, once for each call, of the models nested in it."""
    for node in nodes_of(functional(model), instead):
        if is_model(node.operation):
            yield from calls(node.operation, instead)
        else:
            yield node


def _products(node: Any, shape_of: ShapeOf) -> int | None:
    """The multiply-accumulates of a call, or None where they are not known."""
    layer = node.operation
    kind = type(layer)
    inputs = [_sizes(tensor.shape)[1:] for tensor in node.input_tensors]
    out = _sizes(node.outputs[0].shape)[1:] if node.outputs else ()
    if not isinstance(layer, keras.layers.Layer):
        return _product_of_operation(node, inputs, out)
    if kind in ATTENTION:
        return _attention(node, shape_of)
    kernels = {
        kernel.variable.name: math.prod(shape_of(layer, kernel.variable))
        for kernel in kernels_of(layer)
    }
    kernels.pop("embeddings", None)
    if not kernels:
        return 0
    both = sum(kernels.values())
    if kind in CONVOLUTIONS:
        return both * _positions(layer, out)
    if kind in TRANSPOSED:
        return both * _positions(layer, inputs[0])
    if kind is keras.layers.Dense:
        return both * math.prod(inputs[0][:-1])
    if kind is keras.layers.EinsumDense:
        return both * _repeats(layer.equation, inputs[0])
    return both * inputs[0][0] if kind in RECURRENT else None


def _layers(*names: str) -> set[type]:
    return {getattr(keras.layers, name) for name in names}


CONVOLUTIONS = _layers(
    *(f"Conv{rank}D" for rank in (1, 2, 3)),
    *(f"{kind}Conv{rank}D" for kind in ("Depthwise", "Separable") for rank in (1, 2)),
)
TRANSPOSED = _layers(*(f"Conv{rank}DTranspose" for rank in (1, 2, 3)))
RECURRENT = _layers("LSTM", "GRU", "SimpleRNN")
ATTENTION = _layers("MultiHeadAttention", "GroupQueryAttention")


def _positions(layer: Any, sizes: tuple[int, ...]) -> int:
    """The product of a map's sizes but its channels."""
    first = layer.data_format == "channels_first"
    return math.prod(sizes[1:] if first else sizes[:-1])


def _repeats(equation: str, sizes: tuple[int, ...]) -> int:
    """How often an `EinsumDense` uses its kernel: the sizes that only its input has."""
    left = equation.replace(" ", "").split("->")[0]
    letters, kernel = left.split(",")
    own = letters.replace("...", "")
    if letters.startswith("..."):
        named = list(zip(own[::-1], sizes[::-1], strict=False))
    else:
        named = list(zip(own[1:], sizes, strict=False))
    inside = math.prod(size for letter, size in named if letter in kernel)
    return math.prod(sizes) // inside


def _attention(node: Any, shape_of: ShapeOf) -> int:
    """Projections of queries, keys, values and result; scores, and their sums."""
    layer = node.operation
    values = [tensor for tensor in node.arguments.args if hasattr(tensor, "shape")]
    named = node.arguments.kwargs
    query = values[0] if values else named["query"]
    value = values[1] if len(values) > 1 else named["value"]
    queries, keys = (math.prod(_sizes(each.shape)[1:-1]) for each in (query, value))
    products, width = 0, {}
    for variable in layer.weights:
        part, name = variable.path.split("/")[-2:]
        if name == "kernel":
            width[part] = _sizes(shape_of(layer, variable))
            tokens = keys if part in ("key", "value") else queries
            products += math.prod(width[part]) * tokens
    heads, size = width["query"][1:]
    return products + heads * queries * keys * (size + width["value"][2])


def _product_of_operation(
    node: Any, inputs: list[tuple[int, ...]], out: tuple[int, ...]
) -> int:
    """`keras.ops.matmul`; all else multiplies element by element."""
    name = type(node.operation).__name__
    return math.prod(out) * inputs[0][-1] if name == "Matmul" else 0


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(shape)


@functools.cache
def _bytes_of(dtype: str) -> int:
    return keras.ops.convert_to_numpy(keras.ops.zeros((), dtype)).itemsize
