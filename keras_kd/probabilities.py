"""Logits or probabilities? Where a model ends in a softmax, and the way back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_kd.taps import find_layer, input_spec, is_output, output_features
from keras_kd.types import Tap

SQUASHING = {
    keras.activations.softmax,
    keras.activations.sigmoid,
    keras.activations.log_softmax,
    keras.activations.hard_sigmoid,
}
_TRANSPARENT = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.Dropout,
    keras.layers.Identity,
)


def log_probabilities(probabilities: Any) -> Any:
    """Logits whose softmax is `probabilities`: their logarithm, kept finite.

    The softmax forgets a constant added to its logits, so `log p` serves every
    temperature as the true logits would, down to the smallest float32.
    """
    probabilities = ops.cast(probabilities, "float32")
    return ops.log(ops.maximum(probabilities, np.finfo("float32").tiny))


def entropy(logits: Any) -> Any:
    """`−Σ_c p_c log p_c` in nats of `p = softmax(logits)`, `(batch, ...)`."""
    log_p = ops.log_softmax(logits, axis=-1)
    p = ops.exp(log_p)
    # A class that is ruled out (logit −∞) adds nothing: 0 · −∞ is no number.
    return -ops.sum(ops.where(p > 0, p * log_p, ops.zeros_like(p)), axis=-1)


def ends_in_probabilities(model: keras.layers.Layer, tap: Tap) -> bool:
    """Whether what stands at a tap has passed a softmax or a sigmoid.

    Functional and Sequential models are read; a subclassed model, whose graph
    nobody knows, is asked with a batch of zeros whether its rows are positive and
    sum to one.
    """
    if not is_output(tap):
        return _squashes(find_layer(model, tap))
    last = _last_operation(model, tap)
    return _rows_sum_to_one(model, tap) if last is None else _squashes(last)


def _squashes(operation):
    if isinstance(operation, keras.Model):
        return ends_in_probabilities(operation, "output")
    if type(operation).__name__ in {"Softmax", "Sigmoid", "LogSoftmax"}:
        return True
    return getattr(operation, "activation", None) in SQUASHING


def _last_operation(model, tap):
    """What computed an output last, past layers that only move numbers about."""
    if isinstance(model, keras.Sequential):
        layers = [x for x in model.layers if not isinstance(x, _TRANSPARENT)]
        return layers[-1] if layers else None
    if not getattr(model, "outputs", None):
        return None
    tensor = _at(model.output, tap)
    if tensor is None:
        return None
    history = getattr(tensor, "_keras_history", None)
    while history is not None and isinstance(history.operation, _TRANSPARENT):
        node = history.operation._inbound_nodes[history.node_index]
        history = node.input_tensors[0]._keras_history
    return history.operation if history else None


def _rows_sum_to_one(model, tap):
    spec = input_spec(model)
    if any(None in x.shape[1:] for x in keras.tree.flatten(spec)):
        return False
    zeros = keras.tree.map_structure(
        lambda x: np.zeros((2, *x.shape[1:]), keras.backend.standardize_dtype(x.dtype)),
        spec,
    )
    y = _at(model(zeros, training=False), tap)
    if y is None or len(y.shape) < 2 or y.shape[-1] < 2:
        return False
    rows = ops.convert_to_numpy(ops.cast(y, "float32"))
    return bool((rows >= 0).all() and np.allclose(rows.sum(-1), 1.0, atol=1e-3))


def _at(outputs, tap):
    """The tensor of an output's tap, or None where it names a structure."""
    part = output_features(outputs).get(tap)
    return None if keras.tree.is_nested(part) else part
