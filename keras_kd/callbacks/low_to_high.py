"""Stages from low features to high ones, and on to the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_kd.callbacks.stages import Stages
from keras_kd.objective.stage import Stage
from keras_kd.terms import DistillationTerm


def low_to_high(
    terms: Sequence[Any],
    epochs: int | Sequence[int],
    keep: bool = True,
    hard_loss: bool = False,
) -> Stages:
    """A curriculum: a stage for each group of terms, the last one with the labels.

    Between unlike networks high features cannot be followed before there are low ones
    to make them of. Each stage adds the next group, and the last goes on to the end
    of the training.

    Args:
        terms: list, from low to high; each a term, its name, or a list of these, such
            as what a function of `keras_kd.methods` returns.
        epochs: int, of each stage but the last, or a list with one for each.
        keep: bool. Whether earlier groups go on counting. Defaults to True.
        hard_loss: bool. Whether the labels count before the last stage. Defaults to
            False.

    Returns:
        A `callbacks.Stages`.

    Raises:
        ValueError: with fewer than two groups, or epochs that do not go with them.

    Example:

    ```python
    low = keras_kd.methods.attention_transfer({"backbone/block_1": "c"})
    high = keras_kd.methods.attention_transfer({"backbone/block_2": "body"})
    answers = keras_kd.methods.hinton()
    distiller = keras_kd.Distiller(teacher, student, low + high + answers)
    distiller.compile("adam", loss)
    stages = keras_kd.callbacks.low_to_high([low, high, answers], epochs=1)
    distiller.fit(images, labels, epochs=3, callbacks=[stages])
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550. There with one hint.
    """
    groups = [_names(group) for group in terms]
    if len(groups) < 2:
        raise ValueError(
            "`terms` must have two groups or more, from low to high. Received: "
            f"terms={groups}."
        )
    lengths = [epochs] * (len(groups) - 1) if isinstance(epochs, int) else list(epochs)
    if len(lengths) != len(groups) - 1:
        raise ValueError(
            f"`epochs` must be an integer, or {len(groups) - 1} of them: one for each "
            f"of the {len(groups)} groups but the last. Received: epochs={epochs!r}."
        )
    stages = []
    for at, length in enumerate([*lengths, None]):
        counted = groups[: at + 1] if keep else [groups[at]]
        names = [name for group in counted for name in group]
        stages.append(Stage(length, names, hard_loss=hard_loss or length is None))
    return Stages(stages)


def _names(group):
    """The terms' names of a group."""
    members = group if isinstance(group, (list, tuple)) else [group]
    names = [m.name if isinstance(m, DistillationTerm) else m for m in members]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "`terms` must hold terms, their names, or lists of these. Received: "
            f"{group!r}."
        )
    return names
