"""Methods that transfer channels: where each looks, how it varies, and with which."""

from __future__ import annotations

from collections.abc import Mapping

from keras_kd.losses import ChannelWise, InterChannel, PearsonFeature
from keras_kd.methods.pairs import channel_connector, each_pair
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap


def cwd(
    taps: Mapping[Tap, Tap], temperature: Number = 4.0, weight: Number = 50.0
) -> list[DistillationTerm]:
    """Channel-wise distillation: each channel's salient regions, for dense prediction.

    Where shapes differ, the student's map gets a 1×1 convolution with batch
    normalization. On the logits of a segmentation network, `{"output": "output"}`,
    the authors weigh it 3.

    Args:
        taps: `{student tap: teacher tap}`.
        temperature: positive float or schedule. Defaults to 4.
        weight: non-negative float or schedule, for each pair. Defaults to 50.

    Returns:
        One term per pair, named `"channel_wise_<student tap>"`.

    Example:

    ```python
    terms = methods.cwd({"block_2": "conv5_block3_out"})
    ```

    Reference:
        Shu, Liu, Gao, Yan, Shen. Channel-wise Knowledge Distillation for Dense
        Prediction. ICCV 2021. https://arxiv.org/abs/2011.13256
    """
    return each_pair(lambda: ChannelWise(temperature), taps, weight)


def pkd(taps: Mapping[Tap, Tap], weight: Number = 10.0) -> list[DistillationTerm]:
    """PKD: the pattern of each channel, whatever its scale, between detectors.

    Published on the maps of feature pyramids of equal channels; where shapes differ,
    the student's map gets a 1×1 convolution with batch normalization.

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 10.

    Returns:
        One term per pair, named `"pearson_feature_<student tap>"`.

    Example:

    ```python
    terms = methods.pkd({"block_2": "conv5_block3_out"})
    ```

    Reference:
        Cao, Zhang, Gao, Cheng, Cheng, Zhang. PKD: General Distillation Framework for
        Object Detectors via Pearson Correlation Coefficient. NeurIPS 2022.
        https://arxiv.org/abs/2207.02039
    """
    return each_pair(PearsonFeature, taps, weight)


def inter_channel(
    taps: Mapping[Tap, Tap], weight: Number = 2.5
) -> list[DistillationTerm]:
    """ICKD-C: the student's channels go together as the teacher's do.

    Published with the last map alone; the student's passes a 1×1 convolution with
    batch normalization to the teacher's channels. The weight is of the authors' code
    for CIFAR-100 (1 for ImageNet), whose reduction this is.

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 2.5.

    Returns:
        One term per pair, named `"inter_channel_<student tap>"`.

    Example:

    ```python
    terms = methods.inter_channel({"block_2": "conv5_block3_out"})
    ```

    Reference:
        Liu, Huang, Lin, Xie, Wang, Chang, Liang. Exploring Inter-Channel Correlation
        for Diversity-Preserved Knowledge Distillation. ICCV 2021.
        https://arxiv.org/abs/2202.03680
    """
    return each_pair(InterChannel, taps, weight, channel_connector)
