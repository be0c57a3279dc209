"""Which examples of a batch a network finds alike.

similarity_preserving   Σ_ij (G_ij − G'_ij)² / N²

G = F Fᵀ of the flattened features, each row divided by its L2 norm; ' is the student.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import l2_normalize
from keras_kd.losses.relation.embeddings import embeddings, similarities
from keras_kd.registration import register


def similarity_preserving(teacher: Any, student: Any) -> Any:
    """The squared gap between the similarities of a batch's examples on both sides.

    The rows of the similarity matrix are divided by their L2 norm, not by their sum.

    Args:
        teacher: tensor `(batch, ...)`: maps, sequences or vectors.
        student: tensor `(batch, ...)`, whose features may differ in number.

    Returns:
        Tensor `(batch,)`: the mean over each example's row. Their mean is the sum
        over all pairs divided by `batch²`.

    Raises:
        ValueError: where the batches differ.

    Example:

    ```python
    maps = keras.random.normal((4, 8, 8, 16))
    similarity_preserving(maps, -3.0 * maps)  # zeros
    ```

    Reference:
        Tung, Mori. Similarity-Preserving Knowledge Distillation. ICCV 2019.
        https://arxiv.org/abs/1907.09682
    """
    teacher, student = embeddings("similarity_preserving", teacher, student)
    teacher, student = (l2_normalize(similarities(x)) for x in (teacher, student))
    return ops.mean(ops.square(teacher - student), axis=-1)


@register
class SimilarityPreserving(DistillationLoss):
    """Examples that the teacher finds alike are alike to the student.

    Formula:
        Σ_ij (G_ij − G'_ij)² / N²,  G = F Fᵀ with rows of L2 norm 1;  ' marks the student

    When to use:
        Transfers which examples of a batch activate a network alike, without an
        adapter and whatever the shapes of the maps: a safe first relation between
        different kinds of network. It wants large batches. Usual weight 3000, on the
        last map before pooling.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.SimilarityPreserving()
    loss(teacher_map, student_features)  # a scalar
    ```

    Reference:
        Tung, Mori. Similarity-Preserving Knowledge Distillation. ICCV 2019.
        https://arxiv.org/abs/1907.09682
    """  # noqa: E501

    compares = "relations"

    def call(self, teacher, student):
        return similarity_preserving(teacher, student)
