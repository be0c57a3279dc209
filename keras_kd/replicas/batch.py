"""The global batch, as one of several replicas sees it.

A loss of examples one by one is scaled by the replica's part of the global batch,
`n_local · N / n_global`; one that looks at other examples is given the whole of it,
which the replicas gather from each other.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

SUMS = ("sum", "none", None)
"""Reductions that divide by nothing."""


@dataclasses.dataclass
class GlobalBatch:
    """The parts of a batch that N replicas hold.

    Attributes:
        sizes: int32 tensor `(N,)`, the examples of each replica.
        rank: int32 scalar, which replica this is.
        local: int, the static size of this replica's part, or None.
    """

    sizes: Any
    rank: Any
    local: int | None = None
    _known: dict[int, Any] = dataclasses.field(default_factory=dict)

    @property
    def replicas(self) -> int:
        """N."""
        return self.sizes.shape[0]

    @property
    def examples(self) -> Any:
        """A replica's even part of the examples, as a float."""
        return tf.cast(tf.reduce_sum(self.sizes), "float32") / self.replicas

    @property
    def share(self) -> Any:
        """`n_local · N / n_global`: 1 where the batch is divided evenly."""
        own = tf.cast(self.sizes[self.rank], "float32")
        return tf.math.divide_no_nan(own, self.examples)

    @property
    def counts(self) -> Any:
        """1.0, or 0.0 where this replica's only example is a borrowed one."""
        return tf.cast(self.sizes[self.rank] > 0, "float32")

    def gathered(self, structure: Any) -> Any:
        """The global batch's tensors in place of this replica's.

        Gradients flow back to the replica that an example came from. What has no
        example in each row, such as a scalar, stays as it is; masks go along.

        Args:
            structure: tensors `(n_local, ...)` of one structure, None among them.

        Returns:
            Tensors `(n_global, ...)`, in the order of the replicas.
        """
        return keras.tree.map_structure(self._whole, structure)

    def own(self, structure: Any) -> Any:
        """This replica's rows, without the one that an empty replica borrows."""
        count = self.sizes[self.rank]

        def cut(x):
            if not self._has_rows(x):
                return x
            mask, x = getattr(x, "_keras_mask", None), x[:count]
            if mask is not None:
                x._keras_mask = cut(mask)
            return x

        return keras.tree.map_structure(cut, structure)

    def _whole(self, x):
        if x is None:
            return None
        mask = getattr(x, "_keras_mask", None)
        x = tf.convert_to_tensor(x)
        if not self._has_rows(x):
            return x
        if id(x) not in self._known:
            # The tensor is kept as well: its id must stay its own.
            self._known[id(x)] = x, _from_all(self.own(x), self.sizes, self.rank)
        whole = self._known[id(x)][1]
        if mask is not None:
            whole._keras_mask = self._whole(mask)
        return whole

    def _has_rows(self, x):
        return x is not None and x.shape.rank and x.shape[0] in (None, self.local)


def _from_all(x, sizes, rank):
    """Each replica's rows at their place in the whole, zeros around them, summed."""
    before = tf.reduce_sum(sizes[:rank])
    after = tf.reduce_sum(sizes) - before - sizes[rank]
    around = tf.concat([[[before, after]], tf.zeros((x.shape.rank - 1, 2), "int32")], 0)
    whole = summed([tf.pad(_wide(x), around)])[0]
    whole.set_shape([None, *x.shape[1:]])
    return tf.cast(whole, x.dtype)


def _wide(x):
    """As a type that replicas can sum."""
    narrow = x.dtype == tf.bool or x.dtype.is_integer and x.dtype.size < 4
    return tf.cast(x, "int32") if narrow else x


def summed(tensors):
    """Each tensor summed over the replicas; those of one type travel together."""
    context = tf.distribute.get_replica_context()
    sums: dict[int, Any] = {}
    for dtype in dict.fromkeys(x.dtype for x in tensors):
        places = [i for i, x in enumerate(tensors) if x.dtype == dtype]
        own = [tensors[i] for i in places]
        own = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
        sums.update(zip(places, own, strict=True))
    return [sums[i] for i in range(len(tensors))]


_current: contextvars.ContextVar[GlobalBatch | None] = contextvars.ContextVar(
    "keras_kd_global_batch", default=None
)


def current_batch() -> GlobalBatch | None:
    """The global batch of the step that this thread is in; None on a single device."""
    return _current.get()


@contextlib.contextmanager
def sharing(data: Any) -> Iterator[Any]:
    """Let what is called in a step see the batch that its replicas share.

    A replica that an uneven batch leaves without examples borrows one, for many a
    layer fails on none at all. It counts nowhere but in the statistics of batch
    normalization.

    Args:
        data: this replica's part of a batch, as `train_step` takes it.

    Yields:
        The part to take the step on.
    """
    context = tf.distribute.get_replica_context()
    count = tf.distribute.get_strategy().num_replicas_in_sync
    if context is None or count == 1:
        yield data
        return
    first = next(part for part in keras.tree.flatten(data) if part is not None)
    rank = tf.cast(context.replica_id_in_sync_group, "int32")
    own = tf.one_hot(rank, count, dtype="int32") * tf.shape(first)[0]
    sizes = tf.ensure_shape(summed([own])[0], (count,))
    batch = GlobalBatch(sizes, rank, first.shape[0])
    token = _current.set(batch)
    try:
        yield _never_empty(data, batch)
    finally:
        _current.reset(token)


def _never_empty(data, batch):
    """The data, with another replica's first example where there is none."""
    if batch.local is not None:
        return data  # as many in each replica
    lender = tf.argmax(batch.sizes > 0, output_type="int32")
    lends = batch.rank == lender
    lacks = tf.cast(batch.sizes[batch.rank] == 0, "int32")
    leaves = [x for x in keras.tree.flatten(data) if batch._has_rows(x)]
    offered = []
    for x in leaves:
        row = tf.pad(_wide(x[:1]), [[0, lacks], *[[0, 0]] * (x.shape.rank - 1)])
        offered.append(tf.where(lends, row, tf.zeros_like(row)))
    filled = {
        id(x): tf.concat([x, tf.cast(row[:lacks], x.dtype)], 0)
        for x, row in zip(leaves, summed(offered), strict=True)
    }
    return keras.tree.map_structure(lambda x: filled.get(id(x), x), data)


def own_rows(structure: Any) -> Any:
    """Tensors without the example that an empty replica borrows."""
    batch = current_batch()
    return structure if batch is None else batch.own(structure)


def over_global_batch(
    compute: Callable[..., Any],
    tensors: tuple[Any, ...],
    reductions: Iterable[str | None],
    across_examples: bool = False,
) -> Any:
    """A replica's part of a loss, all of which add up to that of one device.

    Args:
        compute: function of `tensors` that returns a scalar, divided by the number
            of replicas already, as Keras's losses do where they take a mean.
        tensors: structures of tensors, one row for each example.
        reductions: of the losses in it, as `keras.losses.Loss` names them.
        across_examples: bool, whether the value of an example depends on others.

    Raises:
        ValueError: where a sum and a mean are added to each other.
    """
    batch = current_batch()
    if batch is None:
        return compute(*tensors)
    reductions = list(reductions)
    sums = [reduction in SUMS for reduction in reductions]
    if any(sums) and not all(sums):
        raise ValueError(
            "Under several replicas the losses of a model must all be means, or all "
            f"be sums. Received: reductions {reductions}."
        )
    if across_examples or "mean_with_sample_weight" in reductions:
        value = compute(*batch.gathered(tensors))
        return value / batch.replicas if any(sums) else value
    value = compute(*tensors)
    return value * tf.cast(batch.counts, value.dtype) if any(sums) else scaled(value)


def scaled(value: Any) -> Any:
    """A replica's mean over its examples, as it counts in that of all."""
    batch = current_batch()
    return value if batch is None else value * tf.cast(batch.share, value.dtype)


def mean_over_batch(values: Any) -> Any:
    """A replica's part of a mean over examples: the parts' own mean is that of all."""
    return scaled(tf.reduce_mean(values))
