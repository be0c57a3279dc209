"""What an attention layer has inside: queries, keys, values, and where it looks.

A tap `"layer@attention_scores"` reads it during the model's own pass. Every layer that
computes its attention in a method `_compute_attention(query, key, value, ...)` can be
read: those of Keras, their subclasses, and what is made alike. Scores are computed once
more from queries and keys, since fused attention keeps them to itself.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

import keras
from keras import ops

from keras_kd.recording import CALL, Recording, Run, TapError
from keras_kd.types import Tap
from keras_kd.validation import did_you_mean, listing

SCORES, PROBABILITIES = "attention_scores", "attention_probabilities"
PARTS = (SCORES, PROBABILITIES, "queries", "keys", "values")
METHOD = "_compute_attention"


def split_part(tap: Tap) -> tuple[Tap, str]:
    """`"encoder/layer_3@queries"` as the layer's path and the part; `""` without one.

    Raises:
        TapError: where the part is unknown.
    """
    path, at, part = tap.partition("@")
    if at and part not in PARTS:
        raise TapError(
            f"Tap {tap!r} wants {part!r} of an attention layer: choose one of "
            f"{list(PARTS)}.{did_you_mean(part, PARTS)}"
        )
    return path, part


def is_attention(layer: keras.layers.Layer) -> bool:
    """Whether a layer computes attention in a way that can be read."""
    method = getattr(layer, METHOD, None)
    wanted = {"query", "key", "value"}
    return callable(method) and wanted <= set(inspect.signature(method).parameters)


def find_attention(tap: Tap, layer: keras.layers.Layer) -> keras.layers.Layer:
    """The attention layer that a tap means: the layer itself, or the one within it.

    Raises:
        TapError: where there is none, or several.
    """
    if is_attention(layer):
        return layer
    inner = [x for x in layer._flatten_layers(include_self=False) if is_attention(x)]
    if len(inner) == 1:
        return inner[0]
    path = tap.partition("@")[0]
    if inner:
        raise TapError(
            f"Tap {tap!r} could be any of the attention layers in {path!r}: name one "
            f"of {listing(x.name for x in inner)}."
        )
    raise TapError(
        f"Tap {tap!r} wants the inside of an attention layer, and {path!r} is none: "
        f"it is a {type(layer).__name__}. MultiHeadAttention, GroupQueryAttention and "
        "layers that hold one of them are."
    )


@dataclasses.dataclass(frozen=True)
class AttentionPart:
    """Reads one part of an attention layer from a recording.

    Args:
        tap: the tap's name, for errors.
        layer: the attention layer.
        part: one of `PARTS`.
    """

    tap: Tap
    layer: keras.layers.Layer
    part: str

    @property
    def methods(self) -> list[tuple[keras.layers.Layer, str]]:
        """What to record."""
        return [(self.layer, CALL), (self.layer, METHOD)]

    def values(self, recording: Recording) -> list:
        """One tensor for each time the layer ran, with the mask that belongs to it.

        Queries, keys and values are `(batch, time, heads, dim)`, with a padding mask
        `(batch, time)`; scores and probabilities `(batch, heads, queries, keys)`, with
        a mask `(batch, queries, keys)` of the pairs that may meet.
        """
        return [
            self._read(call, run)
            for call, run in zip(
                recording.runs_of(self.layer, CALL),
                recording.runs_of(self.layer, METHOD),
                strict=False,
            )
        ]

    def _read(self, call: Run, run: Run) -> Any:
        given = run.arguments
        queries, keys = given["query"], given["key"]
        if len(queries.shape) != 4:
            raise TapError(
                f"Tap {self.tap!r} reads attention over one axis, (batch, time, heads, "
                f"dim). Received queries {tuple(queries.shape)}."
            )
        pairs = _pairs_that_meet(given, queries, keys)
        tokens = _tokens_that_count(pairs, _is_self_attention(call, queries, keys))
        if self.part == "queries":
            return _with_mask(queries, tokens[0])
        if self.part in ("keys", "values"):
            return _with_mask(given[self.part[:-1]], tokens[1])
        scores = attention_scores(queries, keys)
        if self.part == PROBABILITIES:
            scores = _softmax(scores, pairs)
        if pairs is not None:
            own = tokens[0][:, :, None]
            own = own[:, None] if len(pairs.shape) == 4 else own
            pairs = ops.logical_and(pairs, own)
        return _with_mask(scores, pairs)


def attention_scores(queries: Any, keys: Any) -> Any:
    """`Q Kᵀ / √d`, float32 or wider: before mask and softmax."""
    wide = keras.backend.result_type(queries.dtype, "float32")
    queries, keys = ops.cast(queries, wide), ops.cast(keys, wide)
    scores = ops.einsum("bqhd,bkhd->bhqk", queries, keys)
    return scores / math.sqrt(queries.shape[-1])


def _softmax(scores, pairs):
    if pairs is None:
        return ops.softmax(scores, axis=-1)
    pairs = pairs if len(pairs.shape) == 4 else pairs[:, None]
    probabilities = ops.softmax(ops.where(pairs, scores, -1e30), axis=-1)
    return ops.where(pairs, probabilities, ops.zeros_like(probabilities))


def _pairs_that_meet(given, queries, keys):
    """Which queries see which keys: `(batch, [heads,] queries, keys)`, or None."""
    batch, count = ops.shape(queries)[:2]
    others = ops.shape(keys)[1]
    pairs = given.get("attention_mask")
    if pairs is not None:
        pairs = ops.cast(pairs, "bool")
        if len(pairs.shape) == 2:
            pairs = pairs[None]
        if len(pairs.shape) == 4 and pairs.shape[1] == 1:
            pairs = pairs[:, 0]
        heads = pairs.shape[1:2] if len(pairs.shape) == 4 else ()
        pairs = ops.broadcast_to(pairs, (batch, *heads, count, others))
    if given.get("use_causal_mask"):
        earlier = ops.arange(count)[:, None] >= ops.arange(others)[None, :]
        if pairs is None:
            return ops.broadcast_to(earlier[None], (batch, count, others))
        pairs = ops.logical_and(pairs, earlier)
    return pairs


def _tokens_that_count(pairs, of_one_sequence):
    """Which queries and which keys are no padding: `(batch, time)` each, or None."""
    if pairs is None:
        return None, None
    heads = (1,) if len(pairs.shape) == 4 else ()
    queries = ops.any(pairs, axis=(*heads, -1))
    keys = ops.any(pairs, axis=(*heads, -2))
    if of_one_sequence:
        # Many models hide padded keys alone: padded queries still see the others.
        queries = keys = ops.logical_and(queries, keys)
    return queries, keys


def _is_self_attention(call, queries, keys):
    given = call.arguments
    if "query" in given and "value" in given:
        return given["query"] is given["value"]
    return queries.shape[1] == keys.shape[1]


def _with_mask(x, mask):
    if mask is not None:
        # Arrays of some backends take no attributes; they go without.
        try:
            x._keras_mask = mask
        except AttributeError:
            pass
    return x
