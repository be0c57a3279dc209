"""Published lists of priors."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd import losses
from keras_kd.data_free.priors import Prior
from keras_kd.data_free.sight import norms
from keras_kd.types import Number, Tap


def dafl(
    embedding: Tap | None = None,
    confidence: Number = 1.0,
    balance: Number = 2.2,
    activity: Number = 0.1,
    statistics: Number = 0.0,
) -> list[Prior]:
    """Images that are sure cases, of all classes alike, and excite the teacher.

    Args:
        embedding: the teacher's tap before its classifier, or None, without the prior
            on it. Defaults to None.
        confidence, balance, activity: weights. Default to the paper's, 1, 5 (by the
            decimal logarithm: 2.2 here) and 0.1.
        statistics: weight of `BatchNormStatistics`, which the paper does not have.
            Defaults to 0: without it.

    Returns:
        Two priors, and those whose weight is not 0.

    Example:

    ```python
    priors = keras_kd.data_free.dafl()
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """
    priors = [
        Prior(losses.ClassConfidence(), weight=confidence),
        Prior(losses.ClassBalance(), weight=balance),
    ]
    if embedding is not None:
        priors += _if(activity, losses.ActivationNorm(), embedding)
    return priors + _if(statistics, losses.BatchNormStatistics())


def adversarial(metric: str = "l1", weight: Number = 1.0) -> list[Prior]:
    """Images on which teacher and student disagree.

    Args:
        metric: `"l1"` (as Fang et al.) or `"js"`. Defaults to `"l1"`.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One prior.

    Example:

    ```python
    priors = keras_kd.data_free.adversarial()
    ```

    Reference:
        Fang, Song, Shen, Wang, Chen, Song. Data-Free Adversarial Distillation. 2019.
        https://arxiv.org/abs/1912.11006. Micaelli, Storkey. Zero-shot Knowledge
        Transfer via Adversarial Belief Matching. NeurIPS 2019.
        https://arxiv.org/abs/1905.09768, which takes the KL divergence instead.
    """
    return [Prior(losses.Adversarial(metric), weight=weight)]


def deep_inversion(
    statistics: Number = 1.0,
    smoothness: Number = 1e-3,
    opposition: Number = 0.0,
) -> list[Prior]:
    """Images of wanted classes with the statistics that the teacher remembers.

    For `OptimisedImages`, which know the class that each is to show.

    Args:
        statistics: weight of `BatchNormStatistics`. Defaults to 1; the paper has 0.01
            for ImageNet.
        smoothness: weight of `TotalVariation`. Defaults to 1e-3; the paper has 1e-4.
        opposition: weight of `Adversarial("js")`, "adaptive" DeepInversion. Defaults
            to 0: without it.

    Returns:
        Two priors, and those of statistics and opposition whose weight is not 0.

    Example:

    ```python
    priors = keras_kd.data_free.deep_inversion()
    ```

    Reference:
        Yin, Molchanov, Alvarez, Li, Mallya, Hoiem, Jha, Kautz. Dreaming to Distill:
        Data-free Knowledge Transfer via DeepInversion. CVPR 2020.
        https://arxiv.org/abs/1912.08795
    """
    shown = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, name="wanted_class"
    )
    smooth = losses.TotalVariation("deep_inversion")
    priors = [Prior(shown), Prior(smooth, weight=smoothness)]
    priors += _if(statistics, losses.BatchNormStatistics())
    return priors + _if(opposition, losses.Adversarial("js"))


def default_priors(source: Any, models: Any) -> list[Prior]:
    """What a source of images learns by, where nothing is said.

    Args:
        source: of the images.
        models: that teach.

    Returns:
        `deep_inversion()` for optimised images, `dafl()` for a generator; the
        statistics are among both where the teacher remembers some.
    """
    remembers = any(norms(model) for model in models)
    if source.starts_anew:
        return deep_inversion(statistics=1.0 if remembers else 0.0)
    return dafl(statistics=1.0 if remembers else 0.0)


def _if(weight, loss, at=None):
    """A prior, unless it counts for nothing."""
    return [Prior(loss, at, weight)] if callable(weight) or weight else []
