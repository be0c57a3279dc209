"""The angles that every three examples form.

rkd_angle   mean over triples of h(cos ∠jik − cos ∠'jik)

cos ∠jik = e_ij · e_ik,  e_ij = (x_j − x_i) / ‖x_j − x_i‖₂, h the Huber function.

The cosines of all triples are N³ numbers. They are made vertex by vertex, (N, N) at a
time, out of the inner products of the examples, and made again on the way back.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.relation.distances import huber
from keras_kd.losses.relation.embeddings import (
    centred,
    embeddings,
    similarities,
    squared_distances,
)


def rkd_angle(teacher: Any, student: Any) -> Any:
    """How differently two sides lay out the angles between examples.

    A student may live at another scale, place and orientation than its teacher, and
    in another number of features. Where two of three examples are equal there is no
    angle: its cosine is 0. Memory grows with `batch²`, not `batch³`.

    Args:
        teacher: tensor `(batch, ...)`, one embedding per example.
        student: tensor `(batch, ...)`, whose features may differ in number.

    Returns:
        Tensor `(batch,)`: the mean over the angles whose vertex an example is. Their
        mean is the mean over all `batch³` triples.

    Raises:
        ValueError: where the batches differ.

    Example:

    ```python
    points = keras.random.normal((4, 3))
    rkd_angle(points, 10.0 * points - 1.0)  # zeros
    ```

    Reference:
        Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019.
        https://arxiv.org/abs/1904.05068
    """
    teacher, student = embeddings("rkd_angle", teacher, student)
    return _angle_gaps(similarities(centred(teacher)), similarities(centred(student)))


@ops.custom_gradient
def _angle_gaps(teacher, student):
    """The value of each vertex, from the inner products of both sides."""
    places = ops.cumsum(ops.ones_like(student[0])) - 1.0
    count, pairs = ops.shape(student)[0], ops.sum(ops.ones_like(student))
    inverse = [_inverse_distances(products) for products in (teacher, student)]

    def gaps_at(vertex):
        t, s = (
            _cosines_at(vertex, products, lengths)
            for products, lengths in zip((teacher, student), inverse, strict=True)
        )
        return s - t, s

    def add_value(vertex, values):
        gaps, _ = gaps_at(vertex)
        here = ops.cast(places == ops.cast(vertex, places.dtype), places.dtype)
        return values + here * ops.mean(huber(gaps))

    def gradient(*args, upstream=None):
        if upstream is None:
            (upstream,) = args

        def add_slopes(vertex, slopes):
            gaps, cosines = gaps_at(vertex)
            here = ops.cast(places == ops.cast(vertex, places.dtype), places.dtype)
            lengths = ops.take(inverse[1], vertex, axis=0)
            share = ops.sum(upstream * here) / pairs
            by_cosine = share * ops.clip(gaps, -1.0, 1.0)
            # By (x_j − x_i) · (x_k − x_i), whose diagonal also sets the lengths.
            by_product = by_cosine * lengths[:, None] * lengths[None, :]
            by_length = ops.square(lengths) * ops.sum(by_cosine * cosines, axis=-1)
            by_product -= ops.diag(by_length)
            by_row = ops.sum(by_product, axis=-1)
            return (
                slopes
                + by_product
                - 2.0 * here[:, None] * by_row[None, :]
                + ops.diag(here * ops.sum(by_row))
            )

        slopes = ops.fori_loop(0, count, add_slopes, ops.zeros_like(student))
        return ops.zeros_like(teacher), slopes

    return ops.fori_loop(0, count, add_value, ops.zeros_like(places)), gradient


def _inverse_distances(products):
    """`1 / ‖x_i − x_j‖`; 0 where that is 1e-12 or less."""
    squares = squared_distances(products)
    zero = squares <= 1e-24
    inverse = ops.rsqrt(ops.where(zero, ops.ones_like(squares), squares))
    return ops.where(zero, ops.zeros_like(inverse), inverse)


def _cosines_at(vertex, products, inverse):
    """The cosines of the angles at one vertex: `(batch, batch)`."""
    row, lengths = (ops.take(x, vertex, axis=0) for x in (products, inverse))
    between = products - row[:, None] - row[None, :] + ops.take(row, vertex)
    return between * lengths[:, None] * lengths[None, :]
