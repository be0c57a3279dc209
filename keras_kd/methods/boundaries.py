"""Methods over features before their activation: where neurons begin to fire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_kd.losses import ActivationBoundary, FeatureOverhaul, overhaul_margin
from keras_kd.methods.pairs import (
    checked_pairs,
    connector,
    halved_towards_the_input,
)
from keras_kd.taps import find_layer, require_built
from keras_kd.terms import DistillationTerm
from keras_kd.types import Tap
from keras_kd.validation import non_negative


def ab(
    taps: Mapping[Tap, Tap], weight: float = 0.003, margin: float = 1.0
) -> list[DistillationTerm]:
    """Activation boundaries: the student's neurons fire where the teacher's do.

    Tap both networks before an activation: the batch normalization or the sum that a
    ReLU follows. Behind a ReLU no feature is negative, and nothing is transferred.
    Where shapes differ, the student's map gets a 1×1 convolution with batch
    normalization and no activation.

    The authors train this first, alone (`hard_loss_weight=0.0`), to initialize the
    student, and then distill with `hinton()`. The weight goes with the sum over the
    elements, as theirs does: 3/1000 at the last tap and half of it at each earlier
    one. Known to help little: WRN-40-2 → WRN-16-2 72.50 where the student alone has
    73.26 and `hinton` 74.92, VGG13 → MobileNetV2 66.06 (64.60 and 67.37; CIFAR-100,
    Tian et al., ICLR 2020, tables 1 and 2).

    Args:
        taps: `{student tap: teacher tap}`, from the input to the output.
        weight: non-negative float, of the last pair. Defaults to 0.003.
        margin: of `ActivationBoundary`. Defaults to 1.

    Returns:
        One term per pair, named `"activation_boundary_<student tap>"`.

    Example:

    ```python
    first = methods.ab({"block_2": "conv4_block6_3_bn"})
    then = methods.hinton(temperature=3.0)
    ```

    Reference:
        Heo, Lee, Yun, Choi. Knowledge Transfer via Distillation of Activation
        Boundaries Formed by Hidden Neurons. AAAI 2019.
        https://arxiv.org/abs/1811.03233
    """
    pairs = checked_pairs(taps)
    weights = halved_towards_the_input(non_negative("weight", weight), len(pairs))
    return [
        DistillationTerm(ActivationBoundary(margin), student, teacher, weight=own)
        for (student, teacher), own in zip(pairs.items(), weights, strict=True)
    ]


def overhaul(
    taps: Mapping[Tap, Tap],
    teacher: keras.Model,
    weight: float = 0.001,
    batch_norms: Mapping[Tap, Tap] | None = None,
) -> list[DistillationTerm]:
    """The overhaul: features as the next activation sees them, down to a margin.

    The margin is what the teacher's batch normalization tells of its negative values.
    Tap both networks before an activation, at the end of each stage: the batch
    normalization, or the sum, that a ReLU follows. The student's map passes a 1×1
    convolution with batch normalization and no activation.

    The weight goes with the sum over the elements, as the authors' does: 0.001 on
    CIFAR-100 (0.0001 on ImageNet) at the last tap, and half of it at each earlier
    one.

    Args:
        taps: `{student tap: teacher tap}`, from the input to the output.
        teacher: the trained model, whose normalizations give the margins.
        weight: non-negative float, of the last pair. Defaults to 0.001.
        batch_norms: `{teacher tap: its batch normalization}`, where the tap is not
            that layer itself, nor a sum with a single one right before it. In a
            residual block, the last one of the branch. Defaults to None.

    Returns:
        One term per pair, named `"feature_overhaul_<student tap>"`.

    Raises:
        ValueError: where no batch normalization is found for a tap.

    Example:

    ```python
    terms = methods.overhaul({"block_2": "bn"}, teacher)
    ```

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi. A Comprehensive Overhaul of Feature
        Distillation. ICCV 2019. https://arxiv.org/abs/1904.01866
    """
    pairs = checked_pairs(taps)
    weights = halved_towards_the_input(non_negative("weight", weight), len(pairs))
    return [
        DistillationTerm(
            FeatureOverhaul(margins_of(teacher, there, batch_norms or {})),
            here,
            there,
            adapter=connector,
            weight=own,
        )
        for (here, there), own in zip(pairs.items(), weights, strict=True)
    ]


def margins_of(
    model: keras.Model, tap: Tap, batch_norms: Mapping[Tap, Tap]
) -> list[float]:
    """The margin of each channel, from the batch normalization before an activation.

    Raises:
        ValueError: where there is none, or more than one.
    """
    require_built(model)
    norm = find_layer(model, batch_norms.get(tap, tap))
    if isinstance(norm, keras.layers.Add):
        before = [x for x in _producers(norm) if _normalizes(x)]
        norm = before[0] if len(before) == 1 else norm
    if not _normalizes(norm):
        raise ValueError(
            f"Teacher tap {tap!r} ({type(norm).__name__}) is no batch normalization, "
            "nor a sum with a single one right before it: tap the layer before the "
            f"activation, or name its normalization, batch_norms={{{tap!r}: ...}}."
        )
    gamma, beta = norm.gamma, norm.beta
    size = norm.moving_mean.shape
    gamma = ops.ones(size) if gamma is None else gamma
    beta = ops.zeros(size) if beta is None else beta
    return overhaul_margin(gamma, beta).tolist()


def _normalizes(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


def _producers(layer) -> list[Any]:
    """The layers that made a layer's inputs, in a functional model."""
    try:
        inputs = keras.tree.flatten(layer.input)
    except (AttributeError, ValueError):
        return []
    return [x._keras_history.operation for x in inputs]
