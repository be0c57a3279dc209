"""Methods that transfer what the teacher sees on the way, map by map.

Accuracies quoted are of Tian, Krishnan, Isola (Contrastive Representation
Distillation, ICLR 2020, https://arxiv.org/abs/1910.10699), tables 1 and 2: CIFAR-100,
percent, each method beside the labels without `hinton`, at the weights used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_kd.layers import FeatureAdapter, adapter_for
from keras_kd.losses import (
    AttentionTransfer,
    FactorTransfer,
    FlowOfSolution,
    Hint,
    NeuronSelectivity,
)
from keras_kd.methods.pairs import (
    channel_connectors,
    checked_pairs,
    each_pair,
)
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap


def fitnets(
    taps: Mapping[Tap, Tap], weight: Number = 100.0, metric: str = "mse"
) -> list[DistillationTerm]:
    """Hints: the student's feature maps follow the teacher's through a regressor.

    Each pair gets a 1×1 convolution with batch normalization and ReLU, as in the
    authors' code, so tap the teacher after an activation. Vectors and tokens get
    the adapter of `layers.adapter_for`. The paper trains hints first, alone
    (`hard_loss_weight=0.0`), and then distills with `hinton()` from there; together
    they train in one stage.

    Known to help little, and to hurt between different kinds of network, whose maps
    have no common geometry: ResNet50 → MobileNetV2 63.16 where the student alone has
    64.60 and `hinton` 67.35, VGG13 → MobileNetV2 64.14 (64.60 and 67.37); of one
    kind, ResNet110 → ResNet20 68.99 (69.06 and 70.67).

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 100.
        metric: of `Hint`. Defaults to `"mse"`.

    Returns:
        One term per pair, named `"hint_<student tap>"`.

    Example:

    ```python
    terms = methods.fitnets({"block_2": "conv3_block4_out"}) + methods.hinton()
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550
    """
    return each_pair(lambda: Hint(metric), taps, weight, _regressor)


def attention_transfer(
    taps: Mapping[Tap, Tap], weight: Number = 1000.0, power: float = 2.0
) -> list[DistillationTerm]:
    """Attention transfer: the student looks where the teacher looks.

    Tap the ends of the stages, after their activations; channels and sizes may
    differ. The weight goes with the mean over positions of the authors' code.

    Known to hurt badly between different kinds of network: VGG13 → MobileNetV2 59.40
    where the student alone has 64.60 and `hinton` 67.37, ResNet50 → MobileNetV2
    58.58 (64.60 and 67.35). Of one kind it helps, less than `hinton`: WRN-40-2 →
    WRN-16-2 74.08 (73.26 and 74.92).

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 1000.
        power: of `AttentionTransfer`. Defaults to 2.

    Returns:
        One term per pair, named `"attention_transfer_<student tap>"`.

    Example:

    ```python
    terms = methods.attention_transfer({"block_2": "conv3_block4_out"})
    ```

    Reference:
        Zagoruyko, Komodakis. Paying More Attention to Attention. ICLR 2017.
        https://arxiv.org/abs/1612.03928
    """
    return each_pair(lambda: AttentionTransfer(power), taps, weight)


def nst(taps: Mapping[Tap, Tap], weight: Number = 50.0) -> list[DistillationTerm]:
    """Neuron selectivity transfer: the student's channels respond to like patterns.

    Tap the ends of the stages; channels and sizes may differ.

    It helped ShuffleNets (ResNet32x4 → ShuffleNetV2 74.68, alone 71.82, `hinton`
    74.45) and ruined MobileNetV2 under VGG13: 58.16 where the student alone has 64.60
    and `hinton` 67.37. Of one kind: WRN-40-2 → WRN-16-2 73.68 (73.26 and 74.92).

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 50.

    Returns:
        One term per pair, named `"neuron_selectivity_<student tap>"`.

    Example:

    ```python
    terms = methods.nst({"block_2": "conv3_block4_out"})
    ```

    Reference:
        Huang, Wang. Like What You Like: Knowledge Distill via Neuron Selectivity
        Transfer. 2017. https://arxiv.org/abs/1707.01219
    """
    return each_pair(NeuronSelectivity, taps, weight)


def fsp(
    taps: Mapping[tuple[Tap, Tap], tuple[Tap, Tap]], weight: Number = 50.0
) -> list[DistillationTerm]:
    """Flow of solution procedure: each stage changes its features as the teacher's.

    The paper trains this first, alone (`hard_loss_weight=0.0`), and then the labels.
    Where channels differ, the student's map gets a 1×1 convolution with batch
    normalization; the paper has none, and cannot then be used. The weight goes with
    the mean over the elements of the flow matrix.

    Known to gain little, and to hurt: WRN-40-2 → WRN-16-2 72.91 where the student
    alone has 73.26 and `hinton` 74.92, VGG13 → VGG8 70.23 (70.36 and 72.98). Of
    different kinds of network the tables tell nothing.

    Args:
        taps: `{(student bottom, student top): (teacher bottom, teacher top)}`, the
            two ends of a stage on both sides.
        weight: non-negative float or schedule, for each stage. Defaults to 50.

    Returns:
        One term per stage, named `"flow_of_solution_<bottom>_<top>"`.

    Example:

    ```python
    terms = methods.fsp(
        {("block_1", "block_2"): ("conv2_block3_out", "conv3_block4_out")}
    )
    ```

    Reference:
        Yim, Joo, Bae, Kim. A Gift from Knowledge Distillation: Fast Optimization,
        Network Minimization and Transfer Learning. CVPR 2017.
    """
    return each_pair(FlowOfSolution, taps, weight, channel_connectors)


def factor_transfer(
    taps: Mapping[Tap, Tap],
    weight: Number = 200.0,
    paraphraser: keras.layers.Layer | None = None,
) -> list[DistillationTerm]:
    """Factor transfer: the student translates its map into the teacher's factors.

    The student's map passes a translator, three 3×3 convolutions with batch
    normalization and leaky ReLU. The factor is what `paraphraser` makes of the
    teacher's map: in the paper the encoder of an autoencoder trained on that map
    beforehand, with half as many channels. Without one the map itself is the factor.

    Known to hurt between different kinds of network: VGG13 → MobileNetV2 61.78 where
    the student alone has 64.60 and `hinton` 67.37, ResNet50 → MobileNetV2 60.99
    (64.60 and 67.35).

    Args:
        taps: `{student tap: teacher tap}`; published with the last map alone.
        weight: non-negative float or schedule, for each pair. Defaults to 200.
        paraphraser: a trained layer or model over the teacher's map, which is frozen
            here, for a single pair. Defaults to None.

    Returns:
        One term per pair, named `"factor_transfer_<student tap>"`.

    Example:

    ```python
    terms = methods.factor_transfer({"block_2": "conv5_block3_out"})
    ```

    Reference:
        Kim, Park, Kwak. Paraphrasing Complex Network: Network Compression via Factor
        Transfer. NeurIPS 2018. https://arxiv.org/abs/1802.04977
    """
    if paraphraser is None:
        return each_pair(FactorTransfer, taps, weight, _translator)
    if len(checked_pairs(taps)) != 1:
        raise ValueError(
            f"`paraphraser` is for a single pair of taps. Received: taps={taps!r}."
        )
    paraphraser.trainable = False
    ((student, teacher),) = taps.items()
    term = DistillationTerm(
        FactorTransfer(),
        student,
        teacher,
        adapter=_translator,
        weight=weight,
        teacher_adapter=paraphraser,
    )
    return [term]


def _regressor(student_shape: tuple, teacher_shape: tuple) -> Any:
    if len(student_shape) == len(teacher_shape) == 4:
        size = teacher_shape[1:3]
        return FeatureAdapter(
            teacher_shape[-1], None if None in size else size, dtype="float32"
        )
    return adapter_for(student_shape, teacher_shape, "float32")


def _translator(student_shape: tuple, teacher_shape: tuple) -> Any:
    widths = student_shape[-1], teacher_shape[-1], teacher_shape[-1]
    steps: list[keras.layers.Layer] = []
    for width in widths:
        convolution = keras.layers.Conv2D(
            width,
            3,
            padding="same",
            data_format="channels_last",
            dtype="float32",
        )
        activation = keras.layers.LeakyReLU(negative_slope=0.1, dtype="float32")
        norm = keras.layers.BatchNormalization(dtype="float32")
        steps += [convolution, norm, activation]
    return keras.Sequential(steps, name="translator")
