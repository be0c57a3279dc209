"""Methods that guess, review or regenerate the teacher's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd import losses
from keras_kd.layers import MaskedGenerator, ReviewFusion, VariationalAdapter
from keras_kd.schedules import LinearWarmup
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap

MOST_HIDDEN = 512


def vid(taps: Mapping[Tap, Tap], weight: Number = 1.0) -> list[DistillationTerm]:
    """Variational information: the student's features tell the teacher's, in nats.

    Each pair gets a `VariationalAdapter`: a mean, and a variance per channel that is
    trained. Meant for networks of one family. Across architectures it is below plain
    soft targets for five of the six pairs in CRD's comparison on CIFAR-100: 65.6 % to
    67.4 % (VGG13 to MobileNetV2), 70.3 % to 73.8 % (ResNet50 to VGG8, where the
    student alone has 70.4 %).

    Args:
        taps: `{student tap: teacher tap}`: maps, sequences or vectors.
        weight: non-negative float or schedule, for each pair. Defaults to 1.

    Returns:
        One term per pair, named `"variational_information_<student tap>"`.

    Example:

    ```python
    terms = methods.vid({"block_2": "conv3_block4_out"}) + methods.hinton()
    ```

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai. Variational Information Distillation for
        Knowledge Transfer. CVPR 2019. https://arxiv.org/abs/1904.05835
    """
    loss = losses.VariationalInformation
    return [
        DistillationTerm(loss(), student, teacher, adapter=_guess, weight=weight)
        for student, teacher in taps.items()
    ]


def review(
    taps: Mapping[Tap, Tap], weight: Number = 1.0, warmup_epochs: int = 20
) -> list[DistillationTerm]:
    """Knowledge review: deep maps of the student help shallow ones to follow.

    A `ReviewFusion` joins the student's maps from the deepest to the shallowest, and
    each meets the teacher's at several scales (`HierarchicalContext`). The paper taps
    the end of each stage and, on CIFAR, the pooled feature before the classifier as
    the last. It holds up across architectures. The paper's weights on CIFAR-100 go
    from 0.6 (ResNet56 to ResNet20) over 5 (most pairs) to 8 (to MobileNetV2 and
    ShuffleNetV2); on ImageNet 1 (ResNet34 to ResNet18) and 8 (ResNet50 to MobileNet).

    Args:
        taps: `{student tap: teacher tap}` from the shallowest pair to the deepest.
        weight: non-negative float, reached by a warm-up, or a schedule, which is
            taken as it is. Defaults to 1.
        warmup_epochs: int, 0 for none. Defaults to 20.

    Returns:
        One term, `"review"`.

    Example:

    ```python
    stages = {"block_1": "conv2_block3_out", "block_2": "conv3_block4_out"}
    terms = methods.review(stages, weight=5.0)
    ```

    Reference:
        Chen, Liu, Zhao, Jia. Distilling Knowledge via Knowledge Review. CVPR 2021.
        https://arxiv.org/abs/2104.09044
    """
    if warmup_epochs and not callable(weight):
        weight = LinearWarmup(weight, epochs=warmup_epochs)
    return [
        DistillationTerm(
            losses.HierarchicalContext(),
            list(taps.keys()),
            list(taps.values()),
            adapter=_review,
            weight=weight,
            name="review",
        )
    ]


def mgd(
    taps: Mapping[Tap, Tap],
    weight: Number = 1.0,
    alpha: float = 2e-5,
    keep: float = 0.35,
    seed: int | None = None,
) -> list[DistillationTerm]:
    """Masked generation: the teacher's map comes back from a third of the student's.

    The defaults are those of detection. The paper has α 2e-5 with 25 % kept for
    segmentation, and α 7e-5 for classification. The loss is a sum over the elements
    of a map: small maps want a larger α.

    Args:
        taps: `{student tap: teacher tap}` of maps.
        weight: non-negative float or schedule, for each pair. Defaults to 1.
        alpha: positive float, of `MaskedGenerative`. Defaults to 2e-5.
        keep: float in (0, 1], how many positions stay. Defaults to 0.35.
        seed: int, of the masks. Defaults to None.

    Returns:
        One term per pair, named `"masked_generative_<student tap>"`.

    Example:

    ```python
    terms = methods.mgd({"block_2": "conv4_block6_out"}, alpha=7e-5)
    ```

    Reference:
        Yang, Li, Shao, Shi, Yuan, Yuan. Masked Generative Distillation. ECCV 2022.
        https://arxiv.org/abs/2205.01529
    """

    def generator(student_shape, teacher_shape):
        size = _known_size(teacher_shape)
        return MaskedGenerator(teacher_shape[-1], size, keep, seed, dtype="float32")

    loss = losses.MaskedGenerative
    return [
        DistillationTerm(
            loss(alpha=alpha), student, teacher, adapter=generator, weight=weight
        )
        for student, teacher in taps.items()
    ]


def _guess(student_shape: tuple, teacher_shape: tuple) -> VariationalAdapter:
    maps = len(student_shape) == len(teacher_shape) == 4
    size = _known_size(teacher_shape) if maps else None
    return VariationalAdapter(teacher_shape[-1], size=size, dtype="float32")


def _review(student_shapes: list, teacher_shapes: list) -> ReviewFusion:
    # A vector has no size; a teacher's map of any size is met at the student's.
    sizes = [
        (_known_size(teacher) or student[1:3]) if len(teacher) == 4 else None
        for student, teacher in zip(student_shapes, teacher_shapes, strict=True)
    ]
    hidden = min(MOST_HIDDEN, student_shapes[-1][-1])
    filters = [shape[-1] for shape in teacher_shapes]
    return ReviewFusion(filters, sizes, hidden, dtype="float32")


def _known_size(shape: tuple) -> Any:
    """Height and width, or None where the teacher's map has any size."""
    return None if None in shape[1:3] else shape[1:3]
