"""Methods that transfer what the teacher says about the classes."""

from __future__ import annotations

from typing import Any

from keras_kd import losses
from keras_kd.layers import LearnedTemperature
from keras_kd.schedules import LinearWarmup
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number


def hinton(
    temperature: Number = 4.0, weight: Number = 0.9, standardize: bool = False
) -> list[DistillationTerm]:
    """The soft targets of Hinton et al.: temperature KL between the logits.

    The paper weighs soft targets 0.9 beside labels 0.1: pass
    `hard_loss_weight=0.1` to the Distiller for that balance.

    Args:
        temperature: positive float or schedule. Defaults to 4.
        weight: non-negative float or schedule. Defaults to 0.9.
        standardize: bool, see `KLDistillation`. Defaults to False.

    Returns:
        One term, `"kl_distillation"`.

    Example:

    ```python
    Distiller(teacher, student, methods.hinton(), hard_loss_weight=0.1)
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
    """
    loss = losses.KLDistillation(temperature=temperature, standardize=standardize)
    return [DistillationTerm(loss, weight=weight)]


def standardized_kd(
    temperature: Number = 2.0, weight: Number = 9.0
) -> list[DistillationTerm]:
    """Temperature KL between standardized logits.

    Each example's logits are brought to mean 0 and deviation 1 on both sides, so that
    the student may keep a scale of its own: it helps where the teacher is much more
    confident than the student can be. The authors weigh it 9 beside a hard loss of
    0.1: pass `hard_loss_weight=0.1`.

    Args:
        temperature: positive float or schedule. Defaults to 2.
        weight: non-negative float or schedule. Defaults to 9.

    Returns:
        One term, `"kl_distillation"`.

    Example:

    ```python
    Distiller(teacher, student, methods.standardized_kd(), hard_loss_weight=0.1)
    ```

    Reference:
        Sun, Ren, Li, Wang, Cao. Logit Standardization in Knowledge Distillation.
        CVPR 2024. https://arxiv.org/abs/2403.01427
    """
    return hinton(temperature, weight, standardize=True)


def decoupled_kd(
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: Number = 4.0,
    weight: Number = 1.0,
    warmup_epochs: int = 20,
    standardize: bool = False,
) -> list[DistillationTerm]:
    """Decoupled distillation: the label's class apart from the other classes.

    Its weight grows linearly over the first epochs, beside the full hard loss. The
    defaults are those of most of the authors' CIFAR-100 pairs, where β lies between 1
    and 10; for ImageNet they take `beta=0.5, temperature=1`.

    Args:
        alpha: non-negative float, the weight of the label's class. Defaults to 1.
        beta: non-negative float, the weight of the others. Defaults to 8.
        temperature: positive float or schedule. Defaults to 4.
        weight: non-negative float where the warm-up arrives, or a schedule in place
            of it. Defaults to 1.
        warmup_epochs: int, 0 for none. Defaults to 20.
        standardize: bool, see `DecoupledKD`. Defaults to False.

    Returns:
        One term, `"decoupled_kd"`.

    Example:

    ```python
    Distiller(teacher, student, methods.decoupled_kd(beta=2.0))
    ```

    Reference:
        Zhao, Cui, Song, Qiu, Liang. Decoupled Knowledge Distillation. CVPR 2022.
        https://arxiv.org/abs/2203.08679
    """
    if warmup_epochs and not callable(weight):
        weight = LinearWarmup(weight, epochs=warmup_epochs)
    loss = losses.DecoupledKD(alpha, beta, temperature, standardize)
    return [DistillationTerm(loss, weight=weight)]


def dist(
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: Number = 1.0,
    weight: Number = 1.0,
) -> list[DistillationTerm]:
    """DIST: predictions that correlate with a much stronger teacher's.

    Beside the full hard loss. The correlation over the batch wants batches of tens of
    examples. `temperature=4` is usual on CIFAR.

    Args:
        beta: non-negative float, the weight of the correlation over the classes.
            Defaults to 1.
        gamma: non-negative float, the weight of that over the batch. Defaults to 1.
        temperature: positive float or schedule. Defaults to 1.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"dist"`.

    Example:

    ```python
    Distiller(teacher, student, methods.dist(temperature=4.0))
    ```

    Reference:
        Huang, You, Wang, Qian, Xu. Knowledge Distillation from A Stronger Teacher.
        NeurIPS 2022. https://arxiv.org/abs/2205.10536
    """
    loss = losses.DIST(beta, gamma, temperature)
    return [DistillationTerm(loss, weight=weight)]


def multi_level(
    base_temperature: Number = 4.0, weight: Number = 0.9, standardize: bool = False
) -> list[DistillationTerm]:
    """Multi-level logit distillation at five temperatures.

    Predictions, class correlations and batch correlations. The authors weigh it 0.9
    beside a hard loss of 0.1: pass `hard_loss_weight=0.1`; with `standardize=True`, 9
    in place of 0.9. They train twice as long as others, on two views of each image.

    Args:
        base_temperature: positive float or schedule, beside 2, 3, 5 and 6. Defaults
            to 4.
        weight: non-negative float or schedule. Defaults to 0.9.
        standardize: bool, see `MultiLevelKD`. Defaults to False.

    Returns:
        One term, `"multi_level_kd"`.

    Example:

    ```python
    Distiller(teacher, student, methods.multi_level(), hard_loss_weight=0.1)
    ```

    Reference:
        Jin, Wang, Lin. Multi-Level Logit Distillation. CVPR 2023.
        https://openaccess.thecvf.com/content/CVPR2023/html/Jin_Multi-Level_Logit_Distillation_CVPR_2023_paper.html
    """
    loss = losses.MultiLevelKD(base_temperature, standardize=standardize)
    return [DistillationTerm(loss, weight=weight)]


def curriculum_temperature(
    loss: Any = None,
    weight: Number = 0.9,
    initial: float | None = None,
    minimum: float = 1.0,
    maximum: float = 21.0,
    strength: Number | None = None,
) -> list[DistillationTerm]:
    """CTKD: a temperature that learns against the student, and more so each epoch.

    The reversed gradient's strength grows from 0 to 1 over the first 10 epochs. The
    authors weigh it 0.9 beside a hard loss of 0.1: pass `hard_loss_weight=0.1`. It
    goes with any loss that takes a temperature.

    Args:
        loss: a `DistillationLoss` whose temperature is learned. Defaults to None:
            `KLDistillation`.
        weight: non-negative float or schedule. Defaults to 0.9.
        initial, minimum, maximum, strength: of `layers.LearnedTemperature`.

    Returns:
        One term, named after the loss; `term.temperature` is the layer.

    Example:

    ```python
    terms = methods.curriculum_temperature(losses.DecoupledKD(beta=2.0), weight=1.0)
    Distiller(teacher, student, methods.curriculum_temperature(), hard_loss_weight=0.1)
    ```

    Reference:
        Li, Li, Yang, Zhao, Song, Luo, Li, Yang. Curriculum Temperature for Knowledge
        Distillation. AAAI 2023. https://arxiv.org/abs/2211.16231
    """
    temperature = LearnedTemperature(initial, minimum, maximum, strength)
    loss = losses.KLDistillation() if loss is None else loss
    return [DistillationTerm(loss, weight=weight, temperature=temperature)]


def weighted_soft_label(
    temperature: Number = 2.0, weight: Number = 2.5
) -> list[DistillationTerm]:
    """Weighted soft labels: little of the teacher where the student knows as much.

    Beside the full hard loss.

    Args:
        temperature: positive float or schedule. Defaults to 2.
        weight: non-negative float or schedule. Defaults to 2.5.

    Returns:
        One term, `"weighted_soft_label"`.

    Example:

    ```python
    Distiller(teacher, student, methods.weighted_soft_label())
    ```

    Reference:
        Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang. Rethinking Soft Labels for
        Knowledge Distillation: A Bias-Variance Tradeoff Perspective. ICLR 2021.
        https://arxiv.org/abs/2102.00650
    """
    loss = losses.WeightedSoftLabel(temperature)
    return [DistillationTerm(loss, weight=weight)]
