"""BatchNorm taken into the layer before it, for the duration of a pass.

    γ (W ∗ x + b − μ) / √(σ² + ε) + β  =  (s W) ∗ x + s (b − μ) + β,   s = γ / √(σ² + ε)

In inference both sides are one function; the right one is a layer less. Nothing of
the model is changed: while the block lasts, its `call`s in this thread are others.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import keras
from keras import ops

from keras_kd.compress.rewrite import functional, nodes_of

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_FOLDABLE = (*_CONVOLUTIONS, keras.layers.DepthwiseConv2D, keras.layers.Dense)


@dataclasses.dataclass(frozen=True)
class Fold:
    """A layer with weights and the BatchNormalization that alone reads it."""

    layer: keras.layers.Layer
    norm: keras.layers.BatchNormalization

    def run(self, x: Any) -> Any:
        """Both in one, by the weights of now."""
        layer, norm = self.layer, self.norm
        scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale = scale * norm.gamma
        shift = -norm.moving_mean
        if layer.use_bias:
            shift = shift + layer.bias
        shift = shift * scale
        if norm.center:
            shift = shift + norm.beta
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # (height, width, channels, multiplier): channels · multiplier leave.
            shape = layer.kernel.shape[-2:]
            y = ops.depthwise_conv(
                x,
                layer.kernel * ops.reshape(scale, shape),
                strides=tuple(layer.strides),
                padding=layer.padding,
                dilation_rate=layer.dilation_rate,
                data_format=layer.data_format,
            )
        elif isinstance(layer, keras.layers.Dense):
            y = ops.matmul(x, layer.kernel * scale)
        else:
            y = layer.convolution_op(x, layer.kernel * scale)
        return y + shift


def folds(
    model: keras.layers.Layer, kept: Collection[keras.layers.Layer] = ()
) -> list[Fold]:
    """The pairs of a model that may be one, nested models included.

    Only where that is exact: a plain convolution or dense layer without an
    activation, in float32, that runs at one place and is read by nothing but the
    BatchNormalization behind it, over the last axis.

    Args:
        model: a built model. Of a subclassed one, the functional parts are read.
        kept: layers whose own output is wanted, and that therefore stay.

    Returns:
        List of `Fold`.
    """
    graphs, opaque = [], []
    for layer in model._flatten_layers():
        try:
            graphs.append(functional(layer))
        except (TypeError, ValueError):
            opaque.append(layer)
    # A Sequential and the graph inside it are both found.
    graphs = list({id(graph): graph for graph in graphs}.values())
    places = Counter(id(node.operation) for graph in graphs for node in nodes_of(graph))
    for layer in opaque:
        places.update(map(id, layer._flatten_layers(include_self=False)))
    wanted = {id(layer) for layer in kept}
    return [
        fold
        for graph in graphs
        for fold in _pairs(graph)
        if not wanted & {id(fold.layer), id(fold.norm)}
        and places[id(fold.layer)] == places[id(fold.norm)] == 1
    ]


def _pairs(graph: Any) -> Iterator[Fold]:
    readers: dict[int, list[Any]] = {}
    for node in nodes_of(graph):
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    outputs = {id(tensor) for tensor in keras.tree.flatten(graph._outputs_struct)}
    for node in nodes_of(graph):
        for tensor in node.output_tensors:
            behind = readers.get(id(tensor), [])
            if len(behind) != 1 or id(tensor) in outputs:
                continue
            if _exact(node.operation, behind[0].operation):
                yield Fold(node.operation, behind[0].operation)


def _exact(layer: Any, norm: Any) -> bool:
    """Whether the two are what they seem, and one function in inference."""
    if type(layer) not in _FOLDABLE:
        return False
    if type(norm) is not keras.layers.BatchNormalization:
        return False
    if any("call" in vars(x) or x.quantization_mode for x in (layer, norm)):
        return False  # what this very layer computes is something else
    if layer.activation is not keras.activations.linear:
        return False
    if getattr(layer, "lora_enabled", False):
        return False
    if {layer.compute_dtype, norm.compute_dtype} != {"float32"}:
        return False
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return False
    return norm.axis in (-1, norm.input_spec.ndim - 1)


_active: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "keras_kd_folding", default=False
)
_lock = threading.Lock()
_users: Counter[int] = Counter()


@contextlib.contextmanager
def folding(pairs: Collection[Fold]) -> Iterator[None]:
    """Run pairs as one layer in this thread, for the duration of the block.

    Other threads, and training passes, find the layers as they are.

    Args:
        pairs: of `folds`.

    Example:

    ```python
    with folding(folds(model)):
        logits = model(images, training=False)
    ```
    """
    for pair in pairs:
        _put_in(pair.layer, pair.run)
        _put_in(pair.norm, _passed_on)
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)
        for pair in pairs:
            _take_out(pair.layer)
            _take_out(pair.norm)


def _passed_on(x: Any) -> Any:
    return x


def _put_in(layer: Any, function: Any) -> None:
    with _lock:
        _users[id(layer)] += 1
        if _users[id(layer)] > 1:
            return
        original = layer.call

        @functools.wraps(original)
        def call(inputs, *args, **kwargs):
            if _active.get():
                return function(inputs)
            return original(inputs, *args, **kwargs)

        # Past Keras's attribute tracking, which has no business with it.
        vars(layer)["call"] = call


def _take_out(layer: Any) -> None:
    with _lock:
        _users[id(layer)] -= 1
        if not _users[id(layer)]:
            del _users[id(layer)]
            vars(layer).pop("call", None)
