"""Slices of the classes written into one tensor, which `keras.ops` has no word for.

The gradient of a loss over very many classes is made slice by slice. To put the slices
together, `keras.ops` can concatenate them, or compute all at once where a compiler
follows: without one, either takes twice the tensor. A graph of TensorFlow can write
them where they belong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_kd.losses.logit import chunks


def written(of: Callable[[Any, int], Any], number: int, width: int, like: Any) -> Any:
    """As `chunks.put_together`, in the memory of the result and of one slice."""
    traced = isinstance(like, tf.Tensor) and not tf.executing_eagerly()
    if not traced or _compiled(like.graph):
        return chunks.put_together(of, number, width, like)

    def write(whole, start, own):
        return tf.raw_ops.TensorStridedSliceUpdate(
            input=whole,
            begin=[0, start],
            end=[0, start + own],
            strides=[1, 1],
            value=of(start, own),
            begin_mask=1,
            end_mask=1,
        )

    full, rest = divmod(number, width)
    _, whole = tf.while_loop(
        lambda at, _: at < full,
        lambda at, whole: (at + 1, write(whole, at * width, width)),
        # Computed, for what is a constant is copied before it is written to.
        (0, like * 0.0),
        parallel_iterations=1,
    )
    return write(whole, full * width, rest) if rest else whole


def _compiled(graph: Any) -> bool:
    """Whether a graph is traced for XLA, which has no such write in its loops."""
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False


chunks.side_by_side = written
