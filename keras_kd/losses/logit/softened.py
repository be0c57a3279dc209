"""Divergences of two softened distributions: what KL, its reverse and JSD share.

    value = Σ_c f(log p_c, log q_c)
    p = softmax(teacher / T),  q = softmax(student / T)

Both logarithms come from `log_softmax`, so a confidently wrong student keeps its
gradient where probabilities clipped at 1e-7 would have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_kd.losses.logit.chunks import (
    Partition,
    Slope,
    as_rows,
    finite,
    is_large,
    learns,
    like_positions,
    partition,
    row_sum,
    total,
    with_slope,
)
from keras_kd.losses.numerics import comparable, number_like
from keras_kd.validation import several_classes


class Divergence(NamedTuple):
    """A divergence, class by class: functions of `(log_p, log_q)`.

    Args:
        value: what a class adds.
        by_teacher: the slope of that by `log_p`, as needed over very many classes.
        by_student: the slope by `log_q`.
    """

    value: Callable[[Any, Any], Any]
    by_teacher: Callable[[Any, Any], Any]
    by_student: Callable[[Any, Any], Any]


def softened_divergence(
    what: str,
    divergence: Divergence,
    teacher: Any,
    student: Any,
    temperature: Any,
    standardize: bool = False,
) -> Any:
    """A divergence of the softened student from the softened teacher.

    Args:
        what: the function's name, for errors.
        divergence: `Divergence`.
        teacher: logits `(batch, ..., classes)`.
        student: logits of the same shape.
        temperature: positive float or scalar tensor.
        standardize: bool. Whether both sides are standardized first.

    Returns:
        Tensor of the logits' shape without the classes.
    """
    teacher, student = comparable(what, teacher, student)
    several_classes(what, student.shape)
    learned = learns(temperature)
    temperature = number_like(temperature, student)
    if is_large(student):
        formula = sliced(divergence, standardize, learned)
        values = with_slope(formula, as_rows(student), temperature, as_rows(teacher))
        return like_positions(values, student)
    if standardize:
        teacher, student = standardized(teacher), standardized(student)
    if learned:
        # T's gradient is a sum over z · 0 where both rule a class out.
        teacher, student = finite(teacher), finite(student)
    log_p = ops.log_softmax(teacher / temperature, axis=-1)
    log_q = ops.log_softmax(student / temperature, axis=-1)
    return ops.sum(divergence.value(log_p, log_q), axis=-1)


def gaps(log_a: Any, log_b: Any) -> Any:
    """`a (log a − log b)` of each class; one that has no share of `a` adds nothing."""
    a = ops.exp(log_a)
    log_a, log_b = (ops.where(a > 0, x, ops.zeros_like(x)) for x in (log_a, log_b))
    return a * (log_a - log_b)


FORWARD = Divergence(
    value=gaps,
    by_teacher=lambda log_p, log_q: gaps(log_p, log_q) + ops.exp(log_p),
    by_student=lambda log_p, log_q: -ops.exp(log_p),
)
"""KL(p ‖ q)."""

REVERSE = Divergence(
    value=lambda log_p, log_q: gaps(log_q, log_p),
    by_teacher=lambda log_p, log_q: -ops.exp(log_q),
    by_student=lambda log_p, log_q: gaps(log_q, log_p) + ops.exp(log_q),
)
"""KL(q ‖ p)."""


def standardized(logits: Any) -> Any:
    """Logits at mean 0 and deviation 1 over the classes (ddof = 1)."""
    centred = logits - ops.mean(logits, axis=-1, keepdims=True)
    return centred / _deviation(row_sum(ops.square(centred)), logits.shape[-1])[0]


def _deviation(squares, classes):
    """`1e-7 + deviation` of a sum of squares, and whether the logits differ at all.

    Equal logits, as of a head that starts at zero, are only centred: divided by 1e-7
    their gradient would be 1e7 times too large.
    """
    variance = squares / (classes - 1)
    flat = variance <= 1e-14
    safe = ops.where(flat, ops.ones_like(variance), variance)
    return 1e-7 + ops.sqrt(safe), ops.logical_not(flat)


class _Scale(NamedTuple):
    """A side's own temperature, and how it moves with the logits.

    Args:
        temperature: T, or per row T times the logits' deviation.
        deviation: that, or 1.
        mean: the logits' mean, or None without standardization.
        pull: the slope of `temperature` by a logit, over `z − mean`.
    """

    temperature: Any
    deviation: Any = 1.0
    mean: Any = None
    pull: Any = None


def _scale(logits, temperature, standardize):
    if not standardize:
        return _Scale(temperature)
    classes = logits.shape[-1]
    mean = ops.mean(logits, axis=-1, keepdims=True)
    squares = total(lambda z: row_sum(ops.square(z - mean)), logits)
    deviation, differ = _deviation(squares, classes)
    pull = temperature / ((classes - 1) * (deviation - 1e-7))
    pull = ops.where(differ, pull, ops.zeros_like(pull))
    return _Scale(temperature * deviation, deviation, mean, pull)


def sliced(divergence: Divergence, standardize: bool, learned: bool):
    """A divergence over very many classes, as a formula for `with_slope`."""

    def formula(student, temperature, teacher):
        own_p = _scale(teacher, temperature, standardize)
        own_q = _scale(student, temperature, standardize)
        p_of = partition(teacher, own_p.temperature)
        q_of = partition(student, own_q.temperature)

        def sums(t, s):
            log_p, log_q = p_of.log_softmax(t), q_of.log_softmax(s)
            by_q = divergence.by_student(log_p, log_q)
            found = divergence.value(log_p, log_q), by_q
            if learned or standardize:
                found += _moments(q_of, s, log_q, by_q)
            if learned:
                by_p = divergence.by_teacher(log_p, log_q)
                found += (by_p, *_moments(p_of, t, log_p, by_p))
            return tuple(map(row_sum, found))

        value, sum_q, *rest = total(sums, teacher, student)

        def backward(upstream):
            upstream = ops.expand_dims(upstream, -1)
            slope_t = pull = None
            if learned or standardize:
                cooling = -(rest[0] - rest[1] * sum_q) / own_q.temperature
                if standardize:
                    pull = upstream * cooling * own_q.pull
            if learned:
                heat = -(rest[3] - rest[4] * rest[2]) / own_p.temperature
                both = heat * own_p.deviation + cooling * own_q.deviation
                slope_t = ops.sum(upstream * both)

            def slope(t, s):
                log_p, log_q = p_of.log_softmax(t), q_of.log_softmax(s)
                by_q = divergence.by_student(log_p, log_q)
                slope = (by_q - ops.exp(log_q) * sum_q) * (upstream / q_of.temperature)
                return slope if pull is None else slope + pull * (s - own_q.mean)

            return Slope(slope, (teacher, student), by_temperature=slope_t)

        return ops.squeeze(value, -1), backward

    return formula


def _moments(of: Partition, logits, log_q, slope):
    """What the slope by a temperature is made of: Σ a·slope and Σ a·q, a = z / T."""
    scaled = finite(of.scaled(logits))
    return scaled * slope, scaled * ops.exp(log_q)
