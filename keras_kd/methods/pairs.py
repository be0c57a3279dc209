"""What methods over pairs of taps share: a term for each, and what connects them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_kd.layers import FeatureAdapter, ParallelAdapters
from keras_kd.losses import DistillationLoss
from keras_kd.terms import AUTO, DistillationTerm
from keras_kd.types import Number, Taps


def each_pair(
    make_loss: Callable[[], DistillationLoss],
    taps: Mapping[Any, Taps],
    weight: Number,
    adapter: Any = AUTO,
) -> list[DistillationTerm]:
    """One term per pair of taps, each with its own loss.

    Args:
        make_loss: function of no arguments.
        taps: `{student tap: teacher tap}`, or tuples of taps for a loss over several.
        weight: non-negative float or schedule, for each pair.
        adapter: as in `DistillationTerm`. Defaults to `"auto"`.

    Returns:
        The terms, in the mapping's order.

    Raises:
        TypeError: where `taps` is no mapping, or an empty one.
    """
    return [
        DistillationTerm(make_loss(), student, teacher, adapter=adapter, weight=weight)
        for student, teacher in checked_pairs(taps).items()
    ]


def checked_pairs(taps: Any) -> Mapping[Any, Any]:
    """A mapping of at least one student tap to its teacher tap."""
    if isinstance(taps, Mapping) and taps:
        return taps
    raise TypeError(
        "`taps` must map student taps to teacher taps, such as "
        f"{{'block_2': 'conv3_block4_out'}}. Received: taps={taps!r}."
    )


def halved_towards_the_input(weight: float, count: int) -> list[float]:
    """Weights of `count` taps from the input on: each half of the one behind it."""
    return [weight / 2.0 ** (count - 1 - index) for index in range(count)]


def connector(student_shape: Sequence[Any], teacher_shape: Sequence[Any]) -> Any:
    """A 1×1 convolution with batch normalization, and no activation, in any case.

    It brings a map to the teacher's channels, and to its size where that is known.
    """
    size = teacher_shape[1:3]
    same = None in size or tuple(size) == tuple(student_shape[1:3])
    return _one_by_one(teacher_shape, None if same else tuple(size))


def channel_connector(
    student_shape: Sequence[Any], teacher_shape: Sequence[Any]
) -> Any:
    """As `connector`, for losses to which sizes do not matter."""
    return _one_by_one(teacher_shape, None)


def channel_connectors(
    student_shapes: Sequence[Any], teacher_shapes: Sequence[Any]
) -> Any:
    """A `channel_connector` for each map of a list that has other channels."""
    pairs = zip(student_shapes, teacher_shapes, strict=True)
    each = [None if s[-1] == t[-1] else channel_connector(s, t) for s, t in pairs]
    return ParallelAdapters(each, dtype="float32") if any(each) else None


def _one_by_one(teacher_shape, size):
    return FeatureAdapter(
        teacher_shape[-1], size=size, activation=None, dtype="float32"
    )
