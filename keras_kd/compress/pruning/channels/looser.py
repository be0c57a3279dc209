"""Rules for a model that is trained anew: also what mixes channels may lose some.

A normalization over the channels, or attention, answers differently when channels
are gone, be they zero; for pruning they stay. A student that learns again can lose
them, and then every channel of a transformer's stream goes through such layers.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_kd.compress.pruning.channels.narrow import is_layer_scale
from keras_kd.compress.pruning.channels.rules import Rule, rule_for
from keras_kd.compress.pruning.channels.slots import Slots

NORMALIZATIONS = {
    getattr(keras.layers, f"{name}Normalization")
    for name in ("Layer", "RMS", "Group", "Unit")
    if hasattr(keras.layers, f"{name}Normalization")
}


def looser_rule_for(operation: Any, node: Any) -> Rule | None:
    """The rule of a layer or operation in a model to be trained, or None."""
    rule = rule_for(operation, node)
    kind = type(operation)
    if rule is not None:
        return rule
    if kind in NORMALIZATIONS:
        return _keep if _is_last(operation.axis, node) else None
    if kind is keras.layers.MultiHeadAttention:
        return _attend
    if kind.__name__ == "GetItem" and kind.__module__.startswith("keras.src.ops"):
        return _index
    drops = kind.__name__ == "StochasticDepth" and "convnext" in kind.__module__
    return _keep if drops or is_layer_scale(operation) else None


def _is_last(axis: Any, node: Any) -> bool:
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    rank = len(node.outputs[0].shape)
    return [a % rank for a in axes] == [rank - 1]


def _keep(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    return reads[0]


def _attend(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    """Its result has as many channels as its queries: they go with those."""
    if layer.get_config()["output_shape"] is not None or len(node.outputs) > 1:
        return None
    for read in reads[1:]:
        if not np.array_equal(slots.roots(read), slots.roots(reads[0])):
            slots.fix(read, f"{layer.name!r} attends to it")
    return reads[0]


def _index(slots: Slots, layer: Any, node: Any, reads: list[np.ndarray]) -> Any:
    """An index that leaves the last axis alone, as in `x[:, 0]`."""
    key = node.arguments.args[1]
    key = key if isinstance(key, tuple) else (key,)
    plain = all(isinstance(part, (int, slice)) for part in key)
    rank = len(node.input_tensors[0].shape)
    whole = len(key) < rank or (len(key) == rank and key[-1] == slice(None))
    return reads[0] if plain and whole else None
