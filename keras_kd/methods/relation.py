"""Methods that transfer how examples of a batch relate: no adapter, any widths.

Accuracies quoted are of Tian, Krishnan, Isola (Contrastive Representation
Distillation, ICLR 2020, https://arxiv.org/abs/1910.10699), tables 1 and 2: CIFAR-100,
percent, each method beside the labels without `hinton`, at the weights used here.
"""

from __future__ import annotations

from collections.abc import Mapping

from keras_kd.losses import (
    CorrelationCongruence,
    ProbabilisticTransfer,
    RelationalKD,
    SimilarityPreserving,
)
from keras_kd.methods.pairs import each_pair
from keras_kd.terms import DistillationTerm
from keras_kd.types import OUTPUT, Number, Tap

OUTPUTS = {OUTPUT: OUTPUT}


def rkd(
    taps: Mapping[Tap, Tap] | None = None,
    distance: float = 25.0,
    angle: float = 50.0,
    weight: Number = 1.0,
) -> list[DistillationTerm]:
    """Relational KD: examples lie as far apart, and at such angles, as in the teacher.

    Tap the embeddings before the classifier. Made for retrieval; for a classifier
    add `hinton()`. Between different kinds of network known to do nothing by itself:
    ResNet50 → MobileNetV2 64.43 where the student alone has 64.60 and `hinton` 67.35;
    of one kind it helps little, WRN-40-2 → WRN-16-2 73.35 (73.26 and 74.92).

    Args:
        taps: `{student tap: teacher tap}`. Defaults to the outputs.
        distance: non-negative float, the weight of the distances. Defaults to 25.
        angle: non-negative float, the weight of the angles. Defaults to 50.
        weight: non-negative float or schedule, for each pair. Defaults to 1.

    Returns:
        One term per pair, named `"relational_kd_<student tap>"`.

    Example:

    ```python
    terms = methods.rkd({"gap": "avg_pool"}) + methods.hinton()
    ```

    Reference:
        Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019.
        https://arxiv.org/abs/1904.05068
    """
    return each_pair(lambda: RelationalKD(distance, angle), taps or OUTPUTS, weight)


def similarity_preserving(
    taps: Mapping[Tap, Tap] | None = None, weight: Number = 3000.0
) -> list[DistillationTerm]:
    """Similarity-preserving KD: the student finds alike what the teacher finds alike.

    Tap the last maps before pooling; their sizes may differ. One of the few that
    help between different kinds of network by themselves: ResNet50 → MobileNetV2
    68.08 where the student alone has 64.60 and `hinton` 67.35.

    Args:
        taps: `{student tap: teacher tap}`. Defaults to the outputs.
        weight: non-negative float or schedule, for each pair. Defaults to 3000.

    Returns:
        One term per pair, named `"similarity_preserving_<student tap>"`.

    Example:

    ```python
    terms = methods.similarity_preserving({"body": "conv5_block3_out"})
    ```

    Reference:
        Tung, Mori. Similarity-Preserving Knowledge Distillation. ICCV 2019.
        https://arxiv.org/abs/1907.09682
    """
    return each_pair(SimilarityPreserving, taps or OUTPUTS, weight)


def correlation_congruence(
    taps: Mapping[Tap, Tap] | None = None, weight: Number = 0.003
) -> list[DistillationTerm]:
    """Correlation congruence: examples correlate as in the teacher, by a kernel.

    The weight is the paper's, on top of `hinton()`, which its objective contains; the
    figures here are at 0.02. Known to do nothing, or to hurt, between different kinds
    of network: ResNet50 → VGG8 70.25 where the student alone has 70.36 and `hinton`
    73.81, ResNet32x4 → ShuffleNetV2 71.29 (71.82 and 74.45).

    Args:
        taps: `{student tap: teacher tap}`. Defaults to the outputs.
        weight: non-negative float or schedule, for each pair. Defaults to 0.003.

    Returns:
        One term per pair, named `"correlation_congruence_<student tap>"`.

    Example:

    ```python
    terms = methods.correlation_congruence({"gap": "avg_pool"}) + methods.hinton()
    ```

    Reference:
        Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang. Correlation Congruence for
        Knowledge Distillation. ICCV 2019. https://arxiv.org/abs/1904.01802
    """
    return each_pair(CorrelationCongruence, taps or OUTPUTS, weight)


def pkt(
    taps: Mapping[Tap, Tap] | None = None, weight: Number = 30000.0
) -> list[DistillationTerm]:
    """Probabilistic knowledge transfer: the student's neighbourhoods are the teacher's.

    Tap the embeddings before the classifier. Helps between different kinds of network,
    about as much as `hinton`: ResNet32x4 → ShuffleNetV2 74.69 where the student alone
    has 71.82 and `hinton` 74.45, ResNet50 → MobileNetV2 66.52 (64.60 and 67.35).

    Args:
        taps: `{student tap: teacher tap}`. Defaults to the outputs.
        weight: non-negative float or schedule, for each pair. Defaults to 30000.

    Returns:
        One term per pair, named `"probabilistic_transfer_<student tap>"`.

    Example:

    ```python
    terms = methods.pkt({"gap": "avg_pool"})
    ```

    Reference:
        Passalis, Tefas. Learning Deep Representations with Probabilistic Knowledge
        Transfer. ECCV 2018. https://arxiv.org/abs/1803.10837
    """
    return each_pair(ProbabilisticTransfer, taps or OUTPUTS, weight)
