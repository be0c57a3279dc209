"""Pearson's correlation from sums: `⟨a, b⟩ / (‖a‖ ‖b‖ + 1e-8)` of centred vectors."""

from __future__ import annotations

from typing import Any

from keras import ops

EPSILON = 1e-8


def moments(p: Any, q: Any, a: Any, b: Any) -> tuple:
    """What to sum up for a `Cosine`.

    Args:
        p, q: tensors.
        a, b: the same, centred.

    Returns:
        Five tensors of the same shape.
    """
    return a * b, ops.square(a), ops.square(b), ops.square(p), ops.square(q)


class Cosine:
    """The cosine of two centred vectors, from the sums of their `moments`.

    A vector of which nothing but rounding is left once it is centred has no
    correlation. Its norm is taken as 1 then: divided by 1e-8, the gradient would be
    1e8 times too large for a head that starts at zero.
    """

    def __init__(self, dot: Any, aa: Any, bb: Any, pp: Any, qq: Any):
        self.sides = _norm(aa, pp), _norm(bb, qq)
        (norm_a, _), (norm_b, _) = self.sides
        self.dot = dot
        self.product = norm_a * norm_b + EPSILON
        self.value = dot / self.product

    def slopes(self, a: Any, b: Any) -> tuple[Any, Any]:
        """The slopes of the value by a and by b."""
        (norm_a, flat_a), (norm_b, flat_b) = self.sides
        shrink = self.dot / ops.square(self.product)
        by_norm_a = ops.where(flat_a, ops.zeros_like(shrink), shrink * norm_b / norm_a)
        by_norm_b = ops.where(flat_b, ops.zeros_like(shrink), shrink * norm_a / norm_b)
        return b / self.product - by_norm_a * a, a / self.product - by_norm_b * b


def _norm(squared, whole):
    """The norm, and whether it is none."""
    flat = squared <= 1e-12 * whole
    return ops.sqrt(ops.where(flat, ops.ones_like(squared), squared)), flat
