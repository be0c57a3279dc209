"""What formulas share: precision, norms and roots that keep a gradient, means."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.validation import same_shape


def at_least_float32(*tensors: Any) -> tuple:
    """The tensors in float32, or in float64 where they come so.

    Half precision has neither the range for `T² · KL` nor the digits for
    differences of features, whatever the models compute in.
    """
    tensors = tuple(ops.convert_to_tensor(x) for x in tensors)
    wide = any(keras.backend.standardize_dtype(x.dtype) == "float64" for x in tensors)
    return tuple(ops.cast(x, "float64" if wide else "float32") for x in tensors)


def number_like(value: Any, like: Any) -> Any:
    """A number, variable or tensor in a tensor's precision, not rounded on the way."""
    if isinstance(value, numbers.Number):
        return ops.convert_to_tensor(value, dtype=like.dtype)
    return ops.cast(value, like.dtype)


def without_gradient(teacher: Any) -> Any:
    """The teacher's side, one tensor or several: nothing flows back into it."""
    return keras.tree.map_structure(ops.stop_gradient, teacher)


def comparable(what: str, teacher: Any, student: Any) -> tuple:
    """Both sides in float32, of one shape, and no gradient into the teacher.

    Args:
        what: the function's name, for the error.
        teacher, student: tensors.

    Returns:
        `(teacher, student)`.

    Raises:
        ValueError: where the static shapes differ.
    """
    teacher, student = at_least_float32(teacher, student)
    same_shape(what, teacher.shape, student.shape)
    return without_gradient(teacher), student


def root(x: Any) -> Any:
    """`√x` for `x ≥ 0`; 0, with the gradient 0, at 0.

    The root has no gradient at 0; the limit from equality is taken as 0, as for |x|.
    """
    zero = x <= 0
    roots = ops.sqrt(ops.where(zero, ops.ones_like(x), x))
    return ops.where(zero, ops.zeros_like(roots), roots)


def absolute(x: Any) -> Any:
    """`|x|`, with the gradient 0 at 0 on every backend: JAX's own `abs` has 1 there."""
    return x * ops.sign(x)


def l2_normalize(x: Any, axis: Any = -1) -> Any:
    """`x / ‖x‖₂`; 0, with the gradient 0, where the norm is 1e-12 or less.

    The gradient of `x / max(‖x‖₂, 1e-12)` is 1e12 there, which overflows on its
    way into a student of half precision.
    """
    squared = ops.sum(ops.square(x), axis=axis, keepdims=True)
    zero = squared <= 1e-24
    inverse = ops.rsqrt(ops.where(zero, ops.ones_like(squared), squared))
    return x * ops.where(zero, ops.zeros_like(inverse), inverse)


def flattened(x: Any) -> Any:
    """Each example as one vector: `(batch, ...)` as `(batch, features)`."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:]))) if len(x.shape) != 2 else x


def for_each_example(value: Any, like: Any) -> Any:
    """A value of the whole batch, given to each example: their mean is the value."""
    return ops.broadcast_to(value, (ops.shape(like)[0],))


def mean_over_positions(values: Any, mask: Any = None) -> Any:
    """Each example's mean over its positions, leaving masked ones out.

    Args:
        values: tensor `(batch, ...)`, one value per position.
        mask: bool tensor of the same shape, True where a position counts. An
            example without any such position has the value 0.

    Returns:
        Tensor `(batch,)`.
    """
    axes = tuple(range(1, len(values.shape)))
    if not axes:
        return values
    if mask is None:
        return ops.mean(values, axis=axes)
    mask = checked_mask(mask, values.shape)
    counts = ops.cast(mask, values.dtype)
    kept = ops.where(mask, values, ops.zeros_like(values))
    return ops.divide_no_nan(ops.sum(kept, axis=axes), ops.sum(counts, axis=axes))


def checked_mask(mask: Any, positions: Sequence[Any]) -> Any:
    """A mask as bools, of the shape that one entry per position makes.

    Raises:
        ValueError: where it has another shape.
    """
    mask = ops.convert_to_tensor(mask)
    try:
        same_shape("A mask", mask.shape, positions)
    except ValueError:
        raise ValueError(
            "`mask` must have one entry per position. Received: mask "
            f"{tuple(mask.shape)}, positions {tuple(positions)}."
        ) from None
    return ops.cast(mask, "bool")


def fitting_mask(mask: Any, values: Any) -> Any:
    """The mask, if it has a value's rank; None where it belongs to something else."""
    fits = mask is not None and len(mask.shape) == len(values.shape)
    return mask if fits else None
