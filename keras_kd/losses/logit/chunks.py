"""Logit losses over very many classes, a slice of the classes at a time.

The plain formulas keep a tensor `(rows, classes)` for each of their steps until the
gradient is taken. Here a first pass over slices of the classes finds what each row's
softmax is divided by, a second one sums the formula up, and the gradient is computed
anew from those few numbers per row: only the gradient itself has that size.

    log p_c = (z_c − top) / T − log_total,   log_total = log Σ_c exp((z_c − top) / T)

With g_c the slope of the value by log q_c, the slope by the student's logit is
(g_c − q_c Σ g) / T; the teacher's, which T needs where it is learned, is alike.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

CHUNKED_FROM = 16_384
"""The number of classes from which losses go slice by slice."""

SLICES = 64
"""How many slices: each holds temporaries of this part of the logits."""

LEAST = -1e30
"""Stands for −∞, times 0 of which would be no number."""


def is_large(logits: Any) -> bool:
    """Whether these logits are of so many classes that they are sliced."""
    return logits.shape[-1] is not None and logits.shape[-1] >= CHUNKED_FROM


def as_rows(logits: Any) -> Any:
    """Logits `(..., classes)` as `(rows, classes)`."""
    if len(logits.shape) == 2:
        return logits
    return ops.reshape(logits, (-1, logits.shape[-1]))


def like_positions(values: Any, logits: Any) -> Any:
    """A value per row as one per position: the logits' shape without the classes."""
    if len(logits.shape) == 2:
        return values
    return ops.reshape(values, ops.shape(logits)[:-1])


def learns(temperature: Any) -> bool:
    """Whether a gradient into this temperature may be asked for."""
    if isinstance(temperature, numbers.Number):
        return False
    return bool(getattr(temperature, "trainable", True))


def total(
    of_slice: Callable[..., Any],
    *tensors: Any,
    by: Callable[[Any, Any], Any] = ops.add,
    classes: bool = False,
) -> Any:
    """The sum over slices of the classes of what a function says of each.

    Args:
        of_slice: function of a slice of each tensor, `(rows, width)`, that returns a
            tensor or a tuple of tensors, of the same shapes for every slice.
        tensors: tensors `(rows, classes)`.
        by: what joins two of them. Defaults to addition.
        classes: bool. Whether `of_slice` also gets the slice's classes, int32
            `(width,)`. Defaults to False.

    Returns:
        What `of_slice` returns, of all the classes.
    """
    number = tensors[0].shape[-1]
    width = math.ceil(number / SLICES)
    full, rest = divmod(number, width)

    def of(start, width):
        result = of_slice(*_cut(tensors, start, width, classes))
        return result if isinstance(result, tuple) else (result,)

    def step(at, *sums):
        more = of(at * width, width)
        sums = tuple(map(by, sums, more))
        return (at + 1 + _after(sums[0]), *sums)

    sums = of(0, width)
    if full > 1:
        first = ops.convert_to_tensor(1, dtype="int32") + _after(sums[0])
        _, *sums = ops.while_loop(lambda at, *_: at < full, step, (first, *sums))
    if rest:
        sums = map(by, sums, of(full * width, rest))
    sums = tuple(sums)
    return sums if len(sums) > 1 else sums[0]


def each(of_slice: Callable[..., Any], *tensors: Any, classes: bool = False) -> Any:
    """What a function makes of the slices of the classes, side by side.

    Args:
        of_slice: function of a slice of each tensor, that returns `(rows, width)`.
        tensors: tensors `(rows, classes)`.
        classes: as in `total`.

    Returns:
        Tensor `(rows, classes)`.
    """
    number = tensors[0].shape[-1]
    width = math.ceil(number / SLICES)

    def of(start, width):
        return of_slice(*_cut(tensors, start, width, classes))

    return side_by_side(of, number, width, tensors[0])


def put_together(
    of: Callable[[Any, int], Any], number: int, width: int, like: Any
) -> Any:
    """The slices `of(start, width)` of `number` classes as one tensor.

    Args:
        of: function of a slice's first class and its width.
        number: int, how many classes there are.
        width: int, the usual width of a slice.
        like: tensor `(rows, classes)` of the result's shape and dtype.
    """
    if not hasattr(like, "numpy"):
        # A compiler sees to it that elementwise steps share one tensor; slices put
        # side by side would take it minutes.
        return of(0, number)
    starts = range(0, number, width)
    pieces = [of(start, min(width, number - start)) for start in starts]
    return ops.concatenate(pieces, axis=-1)


side_by_side: Callable[..., Any] = put_together
"""What puts slices together; `keras_kd.in_place` knows better for TensorFlow."""


class Slope(NamedTuple):
    """The slope of a value by the student's logits, a slice of the classes at a time.

    Args:
        of_slice: function of a slice of each tensor, as `each` takes it.
        tensors: tensors `(rows, classes)`.
        classes: bool, as in `each`. Defaults to False.
        by_temperature: the slope by the temperature, or None. Defaults to None.
        ready: a small tensor that is known once all of the above is, or None.
            Defaults to None: it is from the start.
    """

    of_slice: Callable[..., Any]
    tensors: tuple[Any, ...]
    classes: bool = False
    by_temperature: Any = None
    ready: Any = None


def with_slope(
    formula: Callable[..., Any], student: Any, temperature: Any, *constants: Any
) -> Any:
    """The value of a formula that brings its own gradient.

    Args:
        formula: function `(student, temperature, *constants)` that returns values
            `(rows,)` and a function of the upstream gradient, `(rows,)`, that returns
            the `Slope`. That function keeps the arguments and a few numbers per row,
            nothing larger.
        student: tensor `(rows, classes)`.
        temperature: scalar tensor.
        constants: further tensors, which get no gradient.

    Returns:
        Tensor `(rows,)`.
    """

    @ops.custom_gradient
    def values_of(student, temperature, *constants):
        # What happens in here is no business of an eager tape.
        inputs = map(ops.stop_gradient, (student, temperature, *constants))
        values, backward = formula(*inputs)

        # Torch hands the arguments in once more, and the upstream by name.
        def gradient(*upstreams, upstream=None):
            upstream = upstreams[0] if upstream is None else upstream
            slope = backward(upstream)
            by_student = each(slope.of_slice, *slope.tensors, classes=slope.classes)
            return by_student, slope.by_temperature, *[None] * len(constants)

        return values, gradient

    return values_of(student, temperature, *constants)


class Partition(NamedTuple):
    """What turns a row's logits into log-probabilities, slice by slice.

    Args:
        top: tensor `(rows, 1)`, the largest logit.
        log_total: tensor `(rows, 1)`, the logarithm of the sum over the classes of
            `exp((z − top) / temperature)`.
        temperature: scalar tensor, or `(rows, 1)`.
    """

    top: Any
    log_total: Any
    temperature: Any

    def scaled(self, logits: Any) -> Any:
        """`(z − top) / temperature` of a slice."""
        return (logits - self.top) / self.temperature

    def log_softmax(self, logits: Any) -> Any:
        """The log-probabilities of a slice."""
        return self.scaled(logits) - self.log_total


def partition(logits: Any, temperature: Any) -> Partition:
    """What `log_softmax(logits / temperature)` is made of.

    Args:
        logits: tensor `(rows, classes)`.
        temperature: scalar tensor, or `(rows, 1)`.

    Returns:
        `Partition`.
    """
    top = ops.max(logits, axis=-1, keepdims=True)
    sums = total(lambda z: row_sum(ops.exp((z - top) / temperature)), logits)
    return Partition(top, ops.log(sums), temperature)


def row_sum(x: Any) -> Any:
    """The sum over the classes, `(rows, 1)`."""
    return ops.sum(x, axis=-1, keepdims=True)


def finite(x: Any) -> Any:
    """`x` with -1e30 in the place of −∞."""
    return ops.maximum(x, LEAST)


def after(x: Any, first: Any) -> Any:
    """`x`, known only when `first` is, so that a graph does one after the other."""
    waiting = _after(first)
    return x + ops.cast(waiting, x.dtype) if hasattr(waiting, "dtype") else x


def _cut(tensors, start, width, classes):
    """A slice of each tensor, and its classes' numbers where asked for."""
    slices = list(tensors)
    if width != tensors[0].shape[-1]:
        slices = [ops.slice(z, (0, start), (ops.shape(z)[0], width)) for z in tensors]
    if classes:
        slices.append(start + ops.arange(width, dtype="int32"))
    return slices


def _after(x: Any) -> Any:
    """0, known only when `x` is: so the next slice waits for this one.

    A graph of TensorFlow starts whatever it can, and would cut all the slices first.
    """
    if not hasattr(x, "graph"):
        return 0
    return ops.cast(ops.any(x > math.inf), "int32")
