"""Decoupled distillation and weighted soft labels over very many classes.

Slice by slice of the classes, with gradients of their own: see `chunks.py`.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_kd.losses.logit.chunks import Partition, Slope, partition, total, with_slope


def odds(logits: Any, labels: Any, temperature: Any) -> tuple[Any, Partition]:
    """The label's log-odds `log p_y − log (1 − p_y)`, and the other classes' partition.

    Args:
        logits: tensor `(rows, classes)`.
        labels: int32 tensor `(rows, 1)`.
        temperature: scalar tensor.

    Returns:
        `(log-odds, partition)`, the former `(rows, 1)`.
    """

    def others(z, classes):
        return ops.where(classes == labels, ops.full_like(z, -math.inf), z)

    def powers(z, classes):
        scaled = (others(z, classes) - top) / temperature
        return ops.sum(ops.exp(scaled), axis=-1, keepdims=True)

    top = total(
        lambda *z: ops.max(others(*z), axis=-1, keepdims=True),
        logits,
        by=ops.maximum,
        classes=True,
    )
    part = Partition(top, ops.log(total(powers, logits, classes=True)), temperature)
    # A label that is no class stands at padding: any logit will do.
    within = ops.clip(labels, 0, logits.shape[-1] - 1)
    return part.log_softmax(ops.take_along_axis(logits, within, axis=-1)), part


def large_cross_entropy(logits: Any, labels: Any) -> Any:
    """`−log softmax(z)_y` of each row, `(rows, 1)`. No gradient should be asked for."""
    ahead, _ = odds(logits, labels, ops.ones((), logits.dtype))
    return ops.softplus(-ahead)


def large_decoupled(
    teacher: Any, student: Any, labels: Any, temperature: Any, learned: bool
) -> Any:
    """TCKD and NCKD of each row, without their T².

    Args:
        teacher, student: logits `(rows, classes)`.
        labels: int32 tensor `(rows, 1)`.
        temperature: scalar tensor.
        learned: bool. Whether the temperature's slope is wanted.

    Returns:
        Tensor `(rows, 2)`.
    """

    def formula(student, temperature, teacher, labels):
        sides = [odds(z, labels, temperature) for z in (teacher, student)]
        (ahead_p, part_p), (ahead_q, part_q) = sides

        def others(t, s, classes):
            """p, q and their logarithms, over the other classes."""
            logs = part_p.log_softmax(t), part_q.log_softmax(s)
            none = ops.zeros_like(t)
            other = classes != labels
            p, q = (ops.where(other, ops.exp(x), none) for x in logs)
            return p, q, *logs

        def sums(*slices):
            p, q, log_p, log_q = others(*slices)
            none = ops.zeros_like(p)
            log_p, own_log_q = (
                ops.where(p > 0, log_p, none),
                ops.where(q > 0, log_q, none),
            )
            log_q = ops.where(p > 0, log_q, none)
            terms = [p * (log_p - log_q)]
            if learned:
                terms += [terms[0] * log_p, p * log_p, p * log_q, q * own_log_q]
            return tuple(ops.sum(x, axis=-1, keepdims=True) for x in terms)

        others_gap, *more = _several(total(sums, teacher, student, classes=True))
        target_gap = _bernoulli(ahead_p, ahead_q)

        def backward(upstream):
            by_target, by_others = upstream[:, :1], upstream[:, 1:]
            too_much = by_target * (ops.sigmoid(ahead_q) - ops.sigmoid(ahead_p))

            # In few steps: a graph that is not compiled keeps a tensor for each.
            of_p = by_others / temperature
            of_q, of_target = of_p - too_much / temperature, too_much / temperature

            def of_slice(t, s, classes):
                rest = ops.exp(part_q.log_softmax(s)) * of_q
                rest -= ops.exp(part_p.log_softmax(t)) * of_p
                return ops.where(classes == labels, of_target, rest)

            slope = Slope(of_slice, (teacher, student), classes=True)
            if not learned:
                return slope
            with_log, own_p, cross, own_q = more
            unsure = ops.sigmoid(ahead_p) * ops.sigmoid(-ahead_p)
            turned = by_others * (own_q - cross) + too_much * (ahead_q - own_q)
            turned += by_others * (with_log - others_gap * own_p)
            turned += by_target * unsure * (ahead_p - ahead_q) * (ahead_p - own_p)
            return slope._replace(by_temperature=-ops.sum(turned) / temperature)

        return ops.concatenate([target_gap, others_gap], axis=-1), backward

    return with_slope(formula, student, temperature, teacher, labels)


def large_soft_cross_entropy(
    teacher: Any, student: Any, temperature: Any, learned: bool
) -> Any:
    """`−Σ_c p_c log q_c` of each row, `(rows, 1)`; see `large_decoupled`."""

    def formula(student, temperature, teacher):
        parts = [partition(z, temperature) for z in (teacher, student)]

        def logarithms(*slices):
            return [part.log_softmax(z) for part, z in zip(parts, slices, strict=True)]

        def sums(*slices):
            log_p, log_q = logarithms(*slices)
            p, q, none = ops.exp(log_p), ops.exp(log_q), ops.zeros_like(log_p)
            own_log_q = ops.where(q > 0, log_q, none)
            log_p, log_q = (ops.where(p > 0, x, none) for x in (log_p, log_q))
            terms = [-p * log_q]
            if learned:
                terms += [p * log_p * log_q, p * log_p, q * own_log_q]
            return tuple(ops.sum(x, axis=-1, keepdims=True) for x in terms)

        entropy, *more = _several(total(sums, teacher, student))

        def backward(upstream):
            scale = upstream / temperature

            def of_slice(*slices):
                log_p, log_q = logarithms(*slices)
                return ops.exp(log_q) * scale - ops.exp(log_p) * scale

            slope = Slope(of_slice, (teacher, student))
            if not learned:
                return slope
            both, own_p, own_q = more
            turned = upstream * (own_q + entropy - both - entropy * own_p)
            return slope._replace(by_temperature=-ops.sum(turned) / temperature)

        return entropy, backward

    return with_slope(formula, student, temperature, teacher)


def _bernoulli(ahead_p, ahead_q):
    """The divergence of [q_y, 1 − q_y] from [p_y, 1 − p_y], from their log-odds."""
    gaps = [
        ops.sigmoid(p) * (ops.softplus(-q) - ops.softplus(-p))
        for p, q in ((ahead_p, ahead_q), (-ahead_p, -ahead_q))
    ]
    return gaps[0] + gaps[1]


def _several(sums):
    return sums if isinstance(sums, tuple) else (sums,)
