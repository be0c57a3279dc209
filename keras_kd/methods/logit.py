"""Methods that transfer what the teacher says about the classes."""

from __future__ import annotations

from keras_kd.losses import KLDistillation
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
    loss = KLDistillation(temperature=temperature, standardize=standardize)
    return [DistillationTerm(loss, weight=weight)]
