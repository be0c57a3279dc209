"""The relations of DIST and of multi-level distillation over very many classes.

Slice by slice of the classes, with gradients of their own: see `chunks.py`. With P and
Q the probabilities `(rows, classes)`, the gradient goes through the softmax of Q as
`Q ∘ (g − Σ_c Q g) / T`, where g is the slope by the probabilities themselves. What is
kept in between is a few numbers per row, or matrices of rows × rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import Slope, partition, total, with_slope
from keras_kd.losses.logit.pearson import Cosine, moments
from keras_kd.losses.logit.rows import centred_over_rows


class Pair:
    """The probabilities of both sides, slice by slice.

    Args:
        teacher, student: logits `(rows, classes)`.
        kept: `(rows, 1)`, 1 where a row counts and 0 at padding.
        temperature: scalar tensor.
        learned: bool. Whether the temperature's slope is wanted.
    """

    def __init__(self, teacher, student, kept, temperature, learned):
        self.logits = teacher, student
        self.kept = kept
        self.temperature = temperature
        self.learned = learned
        self.partitions = [partition(z, temperature) for z in self.logits]

    def total(self, of_slice: Callable[..., Any]) -> Any:
        """The sum over slices of `of_slice(p, q)`."""
        return total(lambda *z: of_slice(*self._probabilities(*z)), *self.logits)

    def slopes(self, by_probability: Callable[..., Any]) -> Slope:
        """The slopes by the student's logits and by the temperature.

        Args:
            by_probability: function of slices `(p, q)` that returns the slopes by p
                and by q, `(rows, width)`.
        """

        def moments(*logits):
            probabilities = self._probabilities(*logits)
            slopes = by_probability(*probabilities)
            sums = [ops.sum(probabilities[1] * slopes[1], axis=-1, keepdims=True)]
            if self.learned:
                for p, g, part, z in zip(
                    probabilities, slopes, self.partitions, logits, strict=True
                ):
                    log_p = ops.where(p > 0, part.log_softmax(z), ops.zeros_like(p))
                    products = p * g, p * g * log_p, p * log_p
                    sums += [ops.sum(x, axis=-1, keepdims=True) for x in products]
            return tuple(sums)

        sums = total(moments, *self.logits)
        mean, *more = sums if self.learned else (sums,)

        def of_slice(*logits):
            p, q = self._probabilities(*logits)
            return q * (by_probability(p, q)[1] - mean) / self.temperature

        slope = Slope(of_slice, self.logits, ready=mean)
        if not self.learned:
            return slope
        sides: tuple[Any, ...] = (more[:3], more[3:])
        turned = sum(with_log - own * entropy for own, with_log, entropy in sides)
        return slope._replace(by_temperature=-ops.sum(turned) / self.temperature)

    def _probabilities(self, *logits):
        return [
            ops.where(self.kept > 0, ops.exp(part.log_softmax(z)), ops.zeros_like(z))
            for part, z in zip(self.partitions, logits, strict=True)
        ]


def row_products(p: Any, q: Any) -> tuple[Any, Any, Any]:
    """`SDᵀ`, `DDᵀ` and `SSᵀ`, where `D = P − Q` and `S = P + Q`."""
    gap, both = p - q, p + q
    pairs = (both, gap), (gap, gap), (both, both)
    return tuple(ops.matmul(a, ops.transpose(b)) for a, b in pairs)


def squared_class_gap(crossed: Any, gaps: Any, boths: Any) -> Any:
    """`‖PᵀP − QᵀQ‖²`, of `row_products`."""
    return 0.5 * ops.sum(gaps * boths + crossed * ops.transpose(crossed))


def squared_batch_gaps(crossed: Any) -> Any:
    """`‖PPᵀ − QQᵀ‖²` row by row, of the first of `row_products`."""
    return ops.sum(ops.square(0.5 * (crossed + ops.transpose(crossed))), axis=-1)


def large_class_gap(
    teacher: Any, student: Any, kept: Any, temperature: Any, learned: bool
) -> Any:
    """`‖PᵀP − QᵀQ‖²`, a scalar; the arguments are those of `Pair`."""

    return with_slope(class_gap(learned), student, temperature, teacher, kept)


def class_gap(learned: bool) -> Callable[..., Any]:
    """`large_class_gap` as a formula for `with_slope`."""

    def formula(student, temperature, teacher, kept):
        pair = Pair(teacher, student, kept, temperature, learned)
        crossed, gaps, boths = pair.total(row_products)
        turned = ops.transpose(crossed)

        def backward(upstream):
            def by_probability(p, q):
                # 4 PE and −4 QE, with E = PᵀP − QᵀQ = ½ (DᵀS + SᵀD): nothing cancels.
                both, gap = p + q, p - q
                by_p = ops.matmul(crossed + gaps, both)
                by_p += ops.matmul(boths + turned, gap)
                by_q = ops.matmul(crossed - gaps, both)
                by_q += ops.matmul(boths - turned, gap)
                return upstream * by_p, -upstream * by_q

            return pair.slopes(by_probability)

        return squared_class_gap(crossed, gaps, boths), backward

    return formula


def large_batch_gaps(
    teacher: Any, student: Any, kept: Any, temperature: Any, learned: bool
) -> Any:
    """`‖PPᵀ − QQᵀ‖²` row by row, `(rows,)`; the arguments are those of `Pair`."""

    return with_slope(batch_gaps(learned), student, temperature, teacher, kept)


def batch_gaps(learned: bool) -> Callable[..., Any]:
    """`large_batch_gaps` as a formula for `with_slope`."""

    def formula(student, temperature, teacher, kept):
        pair = Pair(teacher, student, kept, temperature, learned)
        crossed = pair.total(lambda p, q: row_products(p, q)[0])

        def backward(upstream):
            weights = ops.expand_dims(upstream, -1) + upstream
            weights = weights * (crossed + ops.transpose(crossed))

            def by_probability(p, q):
                return ops.matmul(weights, p), -ops.matmul(weights, q)

            return pair.slopes(by_probability)

        return squared_batch_gaps(crossed), backward

    return formula


def large_correlations(
    teacher: Any, student: Any, kept: Any, temperature: Any, learned: bool
) -> Any:
    """Pearson's correlation of each row over the classes, and that over the rows.

    The arguments are those of `Pair`.

    Returns:
        Tensor `(rows, 2)`: each row's own, and the mean over the classes of that over
        the rows, the same in each row.
    """

    def formula(student, temperature, teacher, kept):
        pair = Pair(teacher, student, kept, temperature, learned)
        classes = student.shape[-1]
        center = 1.0 / classes  # probabilities add up to 1

        def over_rows(p, q):
            a, b = centred_over_rows(p, kept), centred_over_rows(q, kept)
            sums = (ops.sum(x, axis=0, keepdims=True) for x in moments(p, q, a, b))
            return Cosine(*sums), a, b

        def sums(p, q):
            products = moments(p, q, p - center, q - center)
            own = (ops.sum(x, axis=-1, keepdims=True) for x in products)
            return (*own, ops.sum(over_rows(p, q)[0].value))

        *over_classes, together = pair.total(sums)
        own = Cosine(*over_classes)

        def backward(upstream):
            shared = ops.sum(upstream[:, 1]) / classes

            def by_probability(p, q):
                column, a, b = over_rows(p, q)
                slopes = own.slopes(p - center, q - center), column.slopes(a, b)
                return [
                    upstream[:, :1] * by_row + shared * by_column
                    for by_row, by_column in zip(*slopes, strict=True)
                ]

            return pair.slopes(by_probability)

        together = ops.broadcast_to(together / classes, ops.shape(own.value))
        return ops.concatenate([own.value, together], axis=-1), backward

    return with_slope(formula, student, temperature, teacher, kept)
