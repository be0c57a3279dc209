"""Methods that tell images apart as the teacher does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd import losses
from keras_kd.layers import MemoryBank, ProjectionHead
from keras_kd.terms import DistillationTerm
from keras_kd.types import OUTPUT, Number, Tap


def crd(
    taps: tuple[Tap, Tap] | Mapping[Tap, Tap],
    samples: int,
    weight: Number = 0.8,
    units: int = 128,
    negatives: int | None = 16384,
    momentum: float = 0.5,
    temperature: float = 0.07,
    by_class: bool = True,
    by_index: bool = True,
    seed: int | None = None,
) -> list[DistillationTerm]:
    """Contrastive representation distillation: one positive, thousands of negatives.

    Both features go through linear heads of unit length and are compared with a
    memory of the other side. In the paper's comparison on CIFAR-100 it is above plain
    soft targets for each of six pairs across architectures, by 0.5 to 2.4 points
    (VGG13 to MobileNetV2 69.7 %, soft targets 67.4 %); `+ hinton()` adds a little.
    The examples' places in the dataset travel with the labels:
    `fit(x, pack_targets(y, index=np.arange(len(x))))`.

    Args:
        taps: `(student tap, teacher tap)`: the vectors before the classifier, or maps,
            which are pooled.
        samples: int, the examples of the dataset; with fewer, slots of the memory are
            shared.
        weight: non-negative float or schedule. Defaults to 0.8.
        units: int, the embedding's width. Defaults to 128.
        negatives, momentum, temperature, by_class, by_index, seed: of `MemoryBank`.

    Returns:
        One term, `"crd"`.

    Example:

    ```python
    terms = methods.crd(("backbone", "gap"), samples=len(images), negatives=16)
    distiller = Distiller(teacher, student, terms)
    distiller.compile("adam", loss)
    places = keras.ops.arange(len(images))
    distiller.fit(images, pack_targets(labels, index=places), verbose=0)
    ```

    Reference:
        Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020.
        https://arxiv.org/abs/1910.10699
    """
    student, teacher = _pair(taps)
    memory = MemoryBank(
        samples, negatives, momentum, temperature, by_class, by_index, seed
    )
    return [
        DistillationTerm(
            losses.ContrastiveRepresentation(samples),
            student,
            teacher,
            adapter=ProjectionHead(units, dtype="float32"),
            teacher_adapter=ProjectionHead(units, dtype="float32"),
            memory=memory,
            weight=weight,
            name="crd",
        )
    ]


def info_nce(
    taps: tuple[Tap, Tap] | Mapping[Tap, Tap] = (OUTPUT, OUTPUT),
    weight: Number = 1.0,
    units: int = 128,
    hidden: int | None = None,
    temperature: Number = 0.1,
) -> list[DistillationTerm]:
    """Each image finds its own teacher embedding among those of the batch.

    As `crd`, without a memory: the other images of the batch are the negatives, so
    large batches help.

    Args:
        taps: `(student tap, teacher tap)` of vectors or maps. Defaults to both
            outputs.
        weight: non-negative float or schedule. Defaults to 1.
        units: int, the embedding's width. Defaults to 128.
        hidden: int, the width of the heads' hidden layer, or None for linear heads.
            Defaults to None.
        temperature: positive float or schedule. Defaults to 0.1.

    Returns:
        One term, `"info_nce"`.

    Example:

    ```python
    terms = methods.info_nce(("backbone", "gap")) + methods.hinton()
    ```

    Reference:
        van den Oord, Li, Vinyals. Representation Learning with Contrastive
        Predictive Coding. 2018. https://arxiv.org/abs/1807.03748
    """
    student, teacher = _pair(taps)
    return [
        DistillationTerm(
            losses.InfoNCE(temperature),
            student,
            teacher,
            adapter=ProjectionHead(units, hidden, dtype="float32"),
            teacher_adapter=ProjectionHead(units, hidden, dtype="float32"),
            weight=weight,
            name="info_nce",
        )
    ]


def _pair(taps: Any) -> tuple[Tap, Tap]:
    """`(student tap, teacher tap)` of a pair, or of a mapping with one entry."""
    if isinstance(taps, Mapping) and len(taps) == 1:
        return next(iter(taps.items()))
    if isinstance(taps, (tuple, list)) and len(taps) == 2:
        return taps[0], taps[1]
    raise ValueError(
        f"`taps` must be one pair (student tap, teacher tap). Received: taps={taps!r}."
    )
