"""Methods without a trained teacher: peers, exits, the own past, the label itself.

They go with `SelfTeacher`, `EMATeacher` or `VirtualTeacher`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_kd.cohort import ENSEMBLE
from keras_kd.losses import Hint, KLDistillation
from keras_kd.terms import DistillationTerm
from keras_kd.types import OUTPUT, Number, Tap
from keras_kd.validation import listing, non_negative


def mutual(
    cohort: Any, temperature: Number = 1.0, weight: float = 1.0
) -> list[DistillationTerm]:
    """Deep mutual learning: each peer follows the mean of what the others say.

    For the peer i of k: `1 / (k − 1) · Σ_{j≠i} KL(p_j ‖ p_i)`, beside its hard loss.
    The paper updates the peers one after another, each seeing the other's latest; here
    they are updated together, from the same forward pass.

    Args:
        cohort: a `Cohort`, or the names of the peers. An ensemble's head is no peer.
        temperature: positive float or schedule. Defaults to 1.
        weight: non-negative float, of the mean. Defaults to 1.

    Returns:
        A term for each pair, named `"a_from_b"`.

    Example:

    ```python
    cohort = Cohort({"a": student, "b": wide})
    distiller = Distiller(SelfTeacher(), cohort, methods.mutual(cohort))
    ```

    Reference:
        Zhang, Xiang, Hospedales, Lu. Deep Mutual Learning. CVPR 2018.
        https://arxiv.org/abs/1706.00384
    """
    names = [name for name in _names_of(cohort) if name != ENSEMBLE]
    if len(names) < 2:
        raise ValueError(
            "`mutual` needs two peers or more, to learn from each other. "
            f"Received: {listing(names)}."
        )
    part = non_negative("weight", weight) / (len(names) - 1)
    return [
        _from(learner, teaching, temperature, part)
        for learner in names
        for teaching in names
        if learner != teaching
    ]


def one(
    cohort: Any, temperature: Number = 3.0, weight: Number = 1.0
) -> list[DistillationTerm]:
    """On-the-fly native ensemble: the gated ensemble teaches each that it is made of.

    The ensemble learns from the labels like the others, and the others also from the
    ensemble: `T² · KL(p_ensemble ‖ p_i)`. Published with branches that share a trunk,
    see `students.branches`; a `Cohort` with `layers.EnsembleHead` shares nothing.

    Args:
        cohort: a `Cohort` with a head, a model of `students.branches`, or the names
            of their outputs.
        temperature: positive float or schedule. Defaults to 3.
        weight: non-negative float or schedule, for each. Defaults to 1.

    Returns:
        A term for each peer or branch, named `"a_from_ensemble"`.

    Example:

    ```python
    cohort = Cohort([student, wide], head=EnsembleHead())
    distiller = Distiller(SelfTeacher(), cohort, methods.one(cohort))
    ```

    Reference:
        Lan, Zhu, Gong. Knowledge Distillation by On-the-Fly Native Ensemble. NeurIPS
        2018. https://arxiv.org/abs/1806.04606
    """
    names = _names_of(cohort)
    if ENSEMBLE not in names:
        raise ValueError(
            "`one` needs an output 'ensemble': pass "
            "`head=keras_kd.layers.EnsembleHead()` to the Cohort. Received the outputs "
            f"{listing(names)}."
        )
    return [
        _from(name, ENSEMBLE, temperature, weight) for name in names if name != ENSEMBLE
    ]


def be_your_own_teacher(
    student: Any,
    temperature: Number = 3.0,
    weight: Number = 0.3,
    feature: Tap | None = None,
    feature_weight: Number = 0.03,
) -> list[DistillationTerm]:
    """Self-distillation: the end of the student teaches its earlier exits.

    Each exit learns from the labels, from the end's logits, and, where `feature` says
    at which tap it stands, from the end's last feature: `T² · KL(p_final ‖ p_exit)`
    and the mean squared gap of the features. The paper gives an exit's labels the
    weight 0.7 beside 0.3 here: pass `loss_weights={"exit_1": 0.7, …, "final": 1.0}`
    to `compile`. The authors' code sums the gap over the whole batch, and leaves out
    where both features are negative; here it is a mean, so 0.03 weighs much less.

    Args:
        student: an `EarlyExitStudent`, or the names of its outputs.
        temperature: positive float or schedule. Defaults to 3.
        weight: non-negative float or schedule, of the logits of each exit. Defaults
            to 0.3.
        feature: tap of the end's last feature, such as `"student/gap"`. Defaults to
            None: no features.
        feature_weight: non-negative float or schedule. Defaults to 0.03.

    Returns:
        A term `"exit_1_from_final"` for each exit, and with `feature` also a term
        `"exit_1_feature"`.

    Example:

    ```python
    exits = students.with_exits(student, {"early": "backbone/block_1"}, classes=5)
    distiller = Distiller(SelfTeacher(), exits, methods.be_your_own_teacher(exits))
    ```

    Reference:
        Zhang, Song, Gao, Chen, Bao, Ma. Be Your Own Teacher: Improve the Performance
        of Convolutional Neural Networks via Self Distillation. ICCV 2019.
        https://arxiv.org/abs/1905.08094
    """
    *exits, final = _names_of(student)
    if not exits:
        raise ValueError(
            "`be_your_own_teacher` needs a student with exits: see "
            f"`keras_kd.students.with_exits`. Received the outputs {[final]}."
        )
    terms = [_from(name, final, temperature, weight) for name in exits]
    if feature is not None:
        terms += [
            DistillationTerm(
                Hint(),
                student=f"{name}/feature",
                teacher=feature,
                weight=feature_weight,
                name=f"{name}_feature",
            )
            for name in exits
        ]
    return terms


def mean_teacher(
    view: str | None = None, temperature: Number = 1.0, weight: Number = 1.0
) -> list[DistillationTerm]:
    """Mean teacher: the student follows the average of its own past weights.

    For `Distiller(EMATeacher(), …)`. Published as the mean squared gap of the
    probabilities, or the KL as here, with the weight rising from 0 in the first epochs
    (`schedules.Ramp(0.0, 1.0, epochs)`), and student and teacher under different noise.

    Args:
        view: name of the Distiller's view that the student looks at; the teacher
            looks at the batch. Defaults to None: both at the batch.
        temperature: positive float or schedule. Defaults to 1.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"mean_teacher"`.

    Example:

    ```python
    distiller = Distiller(
        EMATeacher(0.99), student, methods.mean_teacher("noisy"),
        views={"noisy": keras.layers.GaussianNoise(0.1)},
    )
    ```

    Reference:
        Tarvainen, Valpola. Mean Teachers Are Better Role Models. NeurIPS 2017.
        https://arxiv.org/abs/1703.01780
    """
    return [_follow(_output(view), OUTPUT, temperature, weight, "mean_teacher")]


def agreement(
    view: str,
    other: str | None = None,
    temperature: Number = 1.0,
    weight: Number = 1.0,
) -> list[DistillationTerm]:
    """Agreement of two views: the student says the same of both, no label needed.

    `T² · (KL(p_1 ‖ p_2) + KL(p_2 ‖ p_1))`, each side once as the target. Goes with
    `SelfTeacher`, and with `hard_loss_weight=0` where there are no labels. One answer
    to everything agrees with itself too: begin with a trained student, or train on
    labels beside it. Of the paper this is the part on predictions; its hint between
    features is a term more, `DistillationTerm(Hint(), "flipped/gap", "gap")`.

    Args:
        view: name of one of the Distiller's views.
        other: name of the other. Defaults to None: the batch itself.
        temperature: positive float or schedule. Defaults to 1.
        weight: non-negative float or schedule, in each direction. Defaults to 1.

    Returns:
        Two terms, `"agreement"` and `"agreement_back"`.

    Example:

    ```python
    flip = keras.layers.RandomFlip("horizontal")
    distiller = Distiller(
        SelfTeacher(), student, methods.agreement("flipped"), views={"flipped": flip}
    )
    ```

    Reference:
        Xu, Liu. Data-Distortion Guided Self-Distillation for Deep Neural Networks.
        AAAI 2019. https://doi.org/10.1609/aaai.v33i01.33015565
    """
    pair = _output(view), _output(other)
    return [
        _follow(*pair, temperature, weight, "agreement"),
        _follow(*pair[::-1], temperature, weight, "agreement_back"),
    ]


def teacher_free(temperature: Number = 20.0, weight: Number = 0.1) -> list:
    """Teacher-free distillation: a virtual teacher that is nearly sure of the label.

    For `Distiller(VirtualTeacher(), …, hard_loss_weight=0.9)`:
    `T² · KL(p^d_T ‖ p_T)` where p^d has `correct` at the label and shares the rest out
    evenly; at temperature 1 this is label smoothing. As in the paper, both sides are
    softened, `p^d_T = softmax(log p^d / T)`; T² is ours, as in every method here. The
    authors' code softens `p^d` instead of its logarithm, and the student not at all.

    Args:
        temperature: positive float or schedule. Defaults to 20.
        weight: non-negative float or schedule. Defaults to 0.1.

    Returns:
        One term, `"teacher_free"`.

    Example:

    ```python
    distiller = Distiller(
        VirtualTeacher(0.99), student, methods.teacher_free(), hard_loss_weight=0.9
    )
    ```

    Reference:
        Yuan, Tay, Li, Wang, Feng. Revisiting Knowledge Distillation via Label
        Smoothing Regularization. CVPR 2020. https://arxiv.org/abs/1909.11723
    """
    return [_follow(OUTPUT, OUTPUT, temperature, weight, "teacher_free")]


def _from(learner, teaching, temperature, weight):
    taps = f"{OUTPUT}/{learner}", f"{OUTPUT}/{teaching}"
    return _follow(*taps, temperature, weight, f"{learner}_from_{teaching}")


def _follow(student, teacher, temperature, weight, name):
    loss = KLDistillation(temperature)
    return DistillationTerm(loss, student, teacher, weight=weight, name=name)


def _output(view):
    return OUTPUT if view is None else f"{view}/{OUTPUT}"


def _names_of(model: Any) -> list[str]:
    """The names of the outputs of a model that has several; names as they are."""
    names = getattr(model, "output_names", model)
    several = isinstance(names, Sequence) and not isinstance(names, str)
    if not several or not all(isinstance(name, str) for name in names):
        raise TypeError(
            "Expected a model with named outputs, such as a Cohort, or their names. "
            f"Received: {model!r}."
        )
    return list(names)
