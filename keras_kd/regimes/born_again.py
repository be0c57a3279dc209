"""Born-again networks: each generation is taught by the one before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_kd.callbacks.checkpoint import save_model
from keras_kd.distiller import Distiller
from keras_kd.methods.logit import hinton
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number
from keras_kd.validation import positive_int


def own_predictions(teacher: Any, student: Any) -> list[DistillationTerm]:
    """The terms of the paper: KL at temperature 1, as heavy as the labels."""
    return hinton(temperature=1.0, weight=1.0)


def born_again(
    make_student: Callable[[int], keras.Model],
    fit: Callable[[keras.Model], Any],
    generations: int = 3,
    terms: Callable[[Any, Any], Sequence[DistillationTerm]] = own_predictions,
    hard_loss_weight: Number = 1.0,
    teacher: Any = None,
    folder: str | os.PathLike[str] | None = None,
) -> list[keras.Model]:
    """Train a model, then the same anew with that as its teacher, and so on.

    The first generation learns from labels alone, unless a teacher is given. The
    paper's ensemble of generations is
    `EnsembleTeacher({m.name: m for m in found}, combine="probabilities")`.

    Args:
        make_student: function of the generation, 1, 2, …, that returns a new built
            model; all alike for the method of the paper.
        fit: function that compiles and trains what it is given: a plain model, or a
            Distiller.
        generations: int, how many models. Defaults to 3.
        terms: function `(teacher, student)` that returns the terms of a generation.
            Defaults to KL at temperature 1.
        hard_loss_weight: non-negative float or schedule, of the labels in generations
            with a teacher. Defaults to 1.
        teacher: what teaches the first generation, as in the `Distiller`. Defaults
            to None.
        folder: path. Each trained generation is saved there as
            `generation_<number>.keras`, and one that is there is not trained again, so
            that what was killed goes on. Defaults to None.

    Returns:
        The trained models, the last generation last.

    Example:

    ```python
    def fit(model):
        model.compile("adam", loss)
        model.fit(images, labels, verbose=0)

    found = born_again(
        lambda number: keras.models.clone_model(student), fit, generations=2
    )
    found[-1].save("last.keras")
    ```

    Reference:
        Furlanello, Lipton, Tschannen, Itti, Anandkumar. Born-Again Neural Networks.
        ICML 2018. https://arxiv.org/abs/1805.04770
    """
    found: list[keras.Model] = []
    for number in range(1, positive_int("generations", generations) + 1):
        path = None if folder is None else Path(folder) / f"generation_{number}.keras"
        if path is not None and path.exists():
            student = keras.saving.load_model(path)
        else:
            student = _new(make_student, number, found)
            fit(
                student
                if teacher is None
                else Distiller(
                    teacher,
                    student,
                    list(terms(teacher, student)),
                    hard_loss_weight=hard_loss_weight,
                )
            )
            if path is not None:
                save_model(student, path)
        found.append(student)
        teacher = student
    return found


def _new(make_student, number, found):
    student = make_student(number)
    if not isinstance(student, keras.Model):
        raise TypeError(
            "`make_student` must return a keras.Model. Received: "
            f"{student!r} for generation {number}."
        )
    if any(student is before for before in found):
        raise ValueError(
            "`make_student` must return a new model each time. Received: the model "
            f"{student.name!r} of an earlier generation for generation {number}."
        )
    return student
