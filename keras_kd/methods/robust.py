"""Methods that hand a teacher's robustness on: its answers under attack.

They read the view `"adversarial"`, which `keras_kd.robust.PGD` makes:
`Distiller(…, views={"adversarial": PGD(…)})`. The teacher is best a robust one, as
`keras_kd.robust.robust_accuracy` tells.
"""

from __future__ import annotations

from keras_kd.losses import KLDistillation
from keras_kd.terms import DistillationTerm
from keras_kd.types import OUTPUT, Number
from keras_kd.validation import non_negative, share

VIEW = "adversarial"


def ard(
    temperature: Number = 30.0, weight: Number = 1.0, view: str = VIEW
) -> list[DistillationTerm]:
    """ARD: under attack, the student answers as the teacher does without.

        α · T² KL(teacher(x) ‖ student(x')) + (1 − α) · hard(x)

    The weight is α, and beside it goes `hard_loss_weight=1 − α`: at the authors' 1,
    `hard_loss_weight=0.0`. The view is `PGD()`, which attacks the labels' answer. In
    the authors' code the divergence is a mean over the classes, here the sum of its
    definition, as many times larger as there are classes.

    Args:
        temperature: positive float or schedule. Defaults to 30.
        weight: non-negative float or schedule. Defaults to 1.
        view: str, the name of the attacked view. Defaults to `"adversarial"`.

    Returns:
        One term, `"ard"`.

    Example:

    ```python
    views = {"adversarial": keras_kd.robust.PGD()}
    Distiller(teacher, student, methods.ard(), hard_loss_weight=0.0, views=views)
    ```

    Reference:
        Goldblum, Fowl, Feizi, Goldstein. Adversarially Robust Distillation. AAAI 2020.
        https://arxiv.org/abs/1905.09747
    """
    loss = KLDistillation(temperature)
    return [DistillationTerm(loss, f"{view}/{OUTPUT}", weight=weight, name="ard")]


def rslad(
    natural: float = 1 / 6, weight: float = 1.0, view: str = VIEW
) -> list[DistillationTerm]:
    """RSLAD: the teacher's soft labels in the attack, and in both halves of the loss.

        (1 − λ) · KL(teacher(x) ‖ student(x')) + λ · KL(teacher(x) ‖ student(x))

    No label is used: pass `hard_loss_weight=0.0`. The view is
    `PGD(objective="teacher")`, which drives the student away from the teacher.

    Args:
        natural: float in [0, 1], the share λ of the batch as it is. Defaults to 1/6.
        weight: non-negative float, of both. Defaults to 1.
        view: str, the name of the attacked view. Defaults to `"adversarial"`.

    Returns:
        Two terms, `"rslad_adversarial"` and `"rslad_natural"`.

    Example:

    ```python
    views = {"adversarial": keras_kd.robust.PGD(objective="teacher")}
    Distiller(teacher, student, methods.rslad(), hard_loss_weight=0.0, views=views)
    ```

    Reference:
        Zi, Zhao, Ma, Jiang. Revisiting Adversarial Robustness Distillation: Robust
        Soft Labels Make Student Better. ICCV 2021. https://arxiv.org/abs/2108.07969
    """
    natural, weight = share("natural", natural), non_negative("weight", weight)
    parts = {
        "rslad_adversarial": (f"{view}/{OUTPUT}", 1.0 - natural),
        "rslad_natural": (OUTPUT, natural),
    }
    return [
        DistillationTerm(KLDistillation(1.0), tap, weight=weight * part, name=name)
        for name, (tap, part) in parts.items()
    ]
