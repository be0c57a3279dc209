"""Same image near, other images far: losses over embeddings of both sides.

info_nce                     −log softmax_j(s_i · t_j / T)[j = i],  s, t of unit length
contrastive_representation   −[log P⁺/(P⁺ + c + ε) + Σ_negatives log c/(P⁻ + c + ε)]
                             for each direction, c = m/n, ε = 1e-7

P = exp(w·x/.07)/Z comes as its logarithm, the scores of `layers.MemoryBank`; m counts
an example's negatives, n the memory. Both sides are embeddings that layers learn, so
gradients flow into both.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, l2_normalize
from keras_kd.losses.temperature_loss import TemperatureLoss
from keras_kd.registration import register
from keras_kd.types import Number
from keras_kd.validation import positive_int, same_shape

EPSILON = 1e-7


def info_nce(teacher: Any, student: Any, temperature: Any = 0.1) -> Any:
    """How hard it is to find an image's teacher embedding among the batch's.

    Args:
        teacher: embeddings `(batch, units)`, of any length. Gradients flow into
            them: they may come of a layer over the teacher's feature that learns.
        student: embeddings of the same shape.
        temperature: positive float or scalar tensor. Defaults to 0.1.

    Returns:
        Tensor `(batch,)`: the cross-entropy of each student embedding's choice
        among the teacher's embeddings.

    Raises:
        ValueError: where the shapes differ, or are not of vectors.

    Example:

    ```python
    info_nce(teacher_features, student_features, temperature=0.07)
    ```

    Reference:
        van den Oord, Li, Vinyals. Representation Learning with Contrastive
        Predictive Coding. 2018. https://arxiv.org/abs/1807.03748
    """
    teacher, student = at_least_float32(teacher, student)
    same_vectors("info_nce", teacher.shape, student.shape)
    teacher, student = l2_normalize(teacher), l2_normalize(student)
    cosines = ops.matmul(student, ops.transpose(teacher))
    temperature = ops.convert_to_tensor(temperature, cosines.dtype)
    log_chosen = ops.log_softmax(cosines / temperature)
    return -ops.diagonal(log_chosen)


def contrastive_representation(teacher: Any, student: Any, samples: int) -> Any:
    """The contrastive objective of CRD, of the scores that a memory gives.

    Args:
        teacher: `log P` of the teacher's embeddings against the student's memory,
            `(batch, 1 + negatives)`: the positive first, −∞ where there is no
            negative. Gradients flow into it.
        student: that of the student's embeddings against the teacher's memory, of
            the same shape.
        samples: int, n: how many examples the memory holds.

    Returns:
        Tensor `(batch,)`: the sum of both directions.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    scores = keras.ops.log(keras.random.uniform((2, 4, 17)))
    contrastive_representation(scores[0], scores[1], samples=1000)
    ```

    Reference:
        Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020.
        https://arxiv.org/abs/1910.10699
    """
    teacher, student = at_least_float32(teacher, student)
    same_shape("contrastive_representation", teacher.shape, student.shape)
    return _direction(teacher, samples) + _direction(student, samples)


def _direction(scores, samples):
    """One side's value, with each quotient of exponentials as a softplus."""
    negatives = scores[:, 1:]
    counted = ops.isfinite(negatives)
    share = ops.cast(ops.sum(ops.cast(counted, "int32"), axis=1), scores.dtype)
    share = share[:, None] / samples
    log_noise = ops.log(share + EPSILON)
    found = -ops.softplus(log_noise - scores[:, :1])
    # An example without negatives has share 0, whose logarithm nobody reads.
    log_share = ops.log(ops.where(share > 0, share, ops.ones_like(share)))
    finite = ops.where(counted, negatives, ops.zeros_like(negatives))
    refused = log_share - log_noise - ops.softplus(finite - log_noise)
    refused = ops.where(counted, refused, ops.zeros_like(refused))
    return -found[:, 0] - ops.sum(refused, axis=1)


@register
class InfoNCE(TemperatureLoss):
    """Each image's own teacher embedding, found among those of the batch.

    Formula:
        −log softmax_j(s_i · t_j / T)[j = i],  s, t of unit length

    When to use:
        Representations that are judged by retrieval or transfer, in large batches,
        where no memory is wanted: the batch's other images are the negatives, those
        of the same class too. Give both sides a `layers.ProjectionHead`
        (`adapter=`, `teacher_adapter=`); temperature 0.07 to 0.1, weight about 1.

    Args:
        temperature: positive float, or a schedule. Defaults to 0.1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.InfoNCE(temperature=0.07)
    loss(teacher_features, student_features)  # a scalar
    ```

    Reference:
        van den Oord, Li, Vinyals. Representation Learning with Contrastive
        Predictive Coding. 2018. https://arxiv.org/abs/1807.03748
    """

    compares = "features"
    across_examples = True
    trains_teacher_side = True

    def __init__(self, temperature: Number = 0.1, **kwargs: Any):
        super().__init__(temperature, **kwargs)

    def check_shapes(self, teacher, student):
        same_vectors("InfoNCE", teacher, student)

    def call(self, teacher, student, temperature=None):
        temperature = self._or_own(temperature)
        return info_nce(teacher, student, temperature)


@register
class ContrastiveRepresentation(DistillationLoss):
    """Contrast with thousands of remembered embeddings, in both directions (CRD).

    Formula:
        −[log P⁺/(P⁺ + m/n + 1e-7) + Σ_m log (m/n)/(P⁻ + m/n + 1e-7)], both directions

    When to use:
        Where the student should take over the teacher's representation, and across
        architectures, where hints and attention maps fail: in the paper's comparison
        it alone was above plain logits for each pair. Weight 0.8 beside `hinton()`
        or alone. It wants `layers.MemoryBank` as the term's memory, a
        `ProjectionHead` on each side and each example's index: `methods.crd`.

    Args:
        samples: int, n: the memory's `capacity`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    term = DistillationTerm(
        keras_kd.losses.ContrastiveRepresentation(samples=50000),
        adapter=keras_kd.layers.ProjectionHead(128),
        teacher_adapter=keras_kd.layers.ProjectionHead(128),
        memory=keras_kd.layers.MemoryBank(50000),
        weight=0.8,
    )
    ```

    Reference:
        Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020.
        https://arxiv.org/abs/1910.10699
    """

    compares = "relations"
    across_examples = False  # the memory has looked already
    trains_teacher_side = True

    def __init__(self, samples: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.samples = positive_int("samples", samples)

    def call(self, teacher, student):
        return contrastive_representation(teacher, student, self.samples)

    def get_config(self):
        return {**super().get_config(), "samples": self.samples}


def same_vectors(what: str, teacher: Any, student: Any) -> None:
    """Refuse what is not a pair of embeddings of one width."""
    same_shape(what, teacher, student)
    if len(student) != 2:
        raise ValueError(
            f"{what} compares embeddings (batch, units). Received: teacher "
            f"{tuple(teacher)}, student {tuple(student)}. Put a ProjectionHead between."
        )
