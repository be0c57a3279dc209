"""Methods that compare logits by another measure than the temperature KL."""

from __future__ import annotations

from keras_kd import losses
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number


def reverse_kl(
    temperature: Number = 1.0, weight: Number = 1.0
) -> list[DistillationTerm]:
    """MiniLLM's divergence, token by token: the student seeks a mode of the teacher.

    For language models that generate, where the forward divergence asks a small
    student to cover all of the teacher's text. MiniLLM takes it over texts that the
    student itself has sampled, by policy gradient; here it is over the tokens of the
    batch, which may be such texts.

    Args:
        temperature: positive float or schedule. Defaults to 1.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"reverse_kl"`.

    Example:

    ```python
    Distiller(teacher, student, methods.reverse_kl())
    ```

    Reference:
        Gu, Dong, Wei, Huang. MiniLLM: Knowledge Distillation of Large Language Models.
        ICLR 2024. https://arxiv.org/abs/2306.08543
    """
    return [DistillationTerm(losses.ReverseKL(temperature), weight=weight)]


def generalized_jsd(
    beta: float = 0.5, temperature: Number = 0.9, weight: Number = 1.0
) -> list[DistillationTerm]:
    """GKD's divergence, between the forward (β = 0) and the reverse one (β = 1).

    For language models. GKD trains with it alone, pass `hard_loss_weight=0`, on texts
    of which a share is sampled from the student: what the batches hold is yours.

    Args:
        beta: float from 0 to 1. Defaults to 0.5.
        temperature: positive float or schedule. Defaults to 0.9.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"generalized_jsd"`.

    Example:

    ```python
    Distiller(teacher, student, methods.generalized_jsd(), hard_loss_weight=0)
    ```

    Reference:
        Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem. On-Policy Distillation
        of Language Models: Learning from Self-Generated Mistakes. ICLR 2024.
        https://arxiv.org/abs/2306.13649
    """
    return [DistillationTerm(losses.GeneralizedJSD(beta, temperature), weight=weight)]


def logit_regression(weight: Number = 1.0) -> list[DistillationTerm]:
    """The mimic of Ba and Caruana: the logits themselves, by squared error.

    The paper trains with it alone, on the teacher's logits and no labels: pass
    `hard_loss_weight=0`. The student then copies the teacher's scale as well.

    Args:
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"logit_mse"`.

    Example:

    ```python
    Distiller(teacher, student, methods.logit_regression(), hard_loss_weight=0)
    ```

    Reference:
        Ba, Caruana. Do Deep Nets Really Need to be Deep? NeurIPS 2014.
        https://arxiv.org/abs/1312.6184
    """
    return [DistillationTerm(losses.LogitMSE(), weight=weight)]


def top_k(k: int = 10, weight: Number = 1.0) -> list[DistillationTerm]:
    """FKD and TinyViT: the teacher's k largest probabilities, the rest spread evenly.

    Both papers store them for each view of an image and train with them alone: pass
    `hard_loss_weight=0`.

    Args:
        k: int, how many probabilities count. Defaults to 10.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"top_k_distillation"`.

    Example:

    ```python
    Distiller(teacher, student, methods.top_k(k=3), hard_loss_weight=0)
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528. Wu et al. TinyViT: Fast
        Pretraining Distillation for Small Vision Transformers. ECCV 2022.
        https://arxiv.org/abs/2207.10666
    """
    return [DistillationTerm(losses.TopKDistillation(k), weight=weight)]
