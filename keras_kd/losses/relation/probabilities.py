"""Which examples of a batch are neighbours, as probabilities.

probabilistic_transfer   mean over pairs of p_ij · log((p_ij + ε) / (q_ij + ε))

p_ij = a_ij / Σ_j a_ij,  a_ij = (cos(x_i, x_j) + 1) / 2 of the teacher, q of the
student, cos with x / (‖x‖ + ε), ε = 1e-7.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import root
from keras_kd.losses.relation.embeddings import embeddings, similarities
from keras_kd.registration import register

EPSILON = 1e-7


def probabilistic_transfer(teacher: Any, student: Any) -> Any:
    """The divergence between the neighbourhoods of a batch's examples on both sides.

    The mean over all pairs, as in the authors' code, where the paper sums.

    Args:
        teacher: tensor `(batch, ...)`, one embedding per example.
        student: tensor `(batch, ...)`, whose features may differ in number.

    Returns:
        Tensor `(batch,)`: the mean over each example's row. Their mean is the mean
        over all `batch²` pairs.

    Raises:
        ValueError: where the batches differ.

    Example:

    ```python
    points = keras.random.normal((4, 16))
    probabilistic_transfer(points, 5.0 * points)  # zeros
    ```

    Reference:
        Passalis, Tefas. Learning Deep Representations with Probabilistic Knowledge
        Transfer. ECCV 2018. https://arxiv.org/abs/1803.10837
    """
    teacher, student = embeddings("probabilistic_transfer", teacher, student)
    p, q = neighbourhoods(teacher), neighbourhoods(student)
    gaps = p * (ops.log(p + EPSILON) - ops.log(q + EPSILON))
    return ops.mean(gaps, axis=-1)


def neighbourhoods(x: Any) -> Any:
    """Each row's affinity to every row, as probabilities: `(batch, batch)`."""
    norms = root(ops.sum(ops.square(x), axis=-1, keepdims=True))
    # A vector of zeros has no direction, and no gradient of size 1 / ε.
    zero = norms <= 0.0
    scale = 1.0 / (ops.where(zero, ops.ones_like(norms), norms) + EPSILON)
    units = x * ops.where(zero, ops.zeros_like(scale), scale)
    affinities = 0.5 * (similarities(units) + 1.0)
    return affinities / ops.sum(affinities, axis=-1, keepdims=True)


@register
class ProbabilisticTransfer(DistillationLoss):
    """The student's neighbourhoods are the teacher's, as probabilities (PKT).

    Formula:
        mean_ij p_ij · log((p_ij + ε) / (q_ij + ε)),  ε = 1e-7
        p_ij = a_ij / Σ_j a_ij,  a = (cos(x_i, x_j) + 1) / 2 of the teacher; q of the student

    When to use:
        Transfers who is near whom, by cosine, for embeddings of any width; made for
        retrieval, and among the steadiest relations between different kinds of
        network. Values are tiny: usual weight 30000, on the last embedding.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ProbabilisticTransfer()
    loss(teacher_features, student_features)  # a scalar
    ```

    Reference:
        Passalis, Tefas. Learning Deep Representations with Probabilistic Knowledge
        Transfer. ECCV 2018. https://arxiv.org/abs/1803.10837
    """  # noqa: E501

    compares = "relations"

    def call(self, teacher, student):
        return probabilistic_transfer(teacher, student)
