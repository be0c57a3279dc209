"""What the stages of one run share: how to build, and how to train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.datasets import Dataset
from keras_kd.distiller import Distiller
from keras_kd.teachers import Teacher
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number
from keras_kd.validation import positive_int, unique_names
from keras_kd.workflow.training import steps_per_epoch, train

TERMS = (list, tuple, DistillationTerm, keras.losses.Loss)
"""What terms may be, if they are not a function that makes them."""


class Run:
    """One teacher, one kind of student, one dataset, some seeds.

    Args:
        teacher: a `Teacher`.
        student: a `keras.Model`, or a function that builds one.
        terms: terms, or a function that makes them.
        dataset: a `Dataset`.
        hard_loss_weight: float or schedule.
        seeds: list of int.
        **arguments: `train`'s: epochs, batch_size, learning_rate, augment, store.

    Raises:
        ValueError: where they do not fit together.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: Any,
        terms: Any,
        dataset: Dataset,
        hard_loss_weight: Number,
        seeds: list[int],
        **arguments: Any,
    ):
        unique_names("Seeds", [str(seed) for seed in seeds])
        self.teacher, self.dataset, self.seeds = teacher, dataset, seeds
        self.hard_loss_weight = hard_loss_weight
        self.arguments = arguments
        self.make_student = builder("student", student, keras.Model, len(seeds))
        self.make_terms = builder("terms", terms, TERMS, len(seeds))
        self.steps = positive_int("epochs", arguments["epochs"]) * steps_per_epoch(
            dataset, arguments["batch_size"]
        )
        self.initial: dict[int, list[np.ndarray]] = {}
        self.first = self.distiller(seeds[0])

    @property
    def student(self) -> keras.Model:
        """The first seed's, from which the files are made."""
        return self.first.student

    def distiller(self, seed: int) -> Distiller:
        """A new student with its teacher; its weights are noted for the baseline."""
        keras.utils.set_random_seed(seed)
        student = self.make_student()
        self.initial[seed] = student.get_weights()
        terms = self.make_terms()
        teacher = self.arguments.get("store") or self.teacher
        return Distiller(teacher, student, terms, self.hard_loss_weight)

    def alone(self, seed: int) -> keras.Model:
        """The student of a seed as it was before its training."""
        keras.utils.set_random_seed(seed)
        model = keras.models.clone_model(self.student)
        model(self.dataset.x_train[:1])  # builds a subclassed model
        model.set_weights(self.initial[seed])
        return model

    def train(self, model: keras.Model, seed: int, **arguments: Any) -> dict[str, Any]:
        """`train`, reproducible from the seed."""
        keras.utils.set_random_seed(seed)
        return train(model, self.dataset, seed=seed, **self.arguments, **arguments)

    def setting(self) -> dict[str, Any]:
        """The lines of the report on how it was trained."""
        terms = [f"{term.name} × {float(term.weight):g}" for term in self.first.terms]
        given = dict(self.arguments)
        augment, store = given.pop("augment"), given.pop("store", None)
        several = f"; the files come from seed {self.seeds[0]}"
        return {
            "terms": ", ".join(terms),
            "hard_loss_weight": f"{float(self.first.hard_loss_weight):g}",
            **given,
            "steps": self.steps,
            "optimizer": "Adam, cosine schedule to zero",
            "augmentation": "none" if augment is None else str(augment),
            **({} if store is None else {"targets": f"from the store {store.name}"}),
            "seeds": ", ".join(map(str, self.seeds))
            + (several if len(self.seeds) > 1 else ""),
        }


def builder(name: str, value: Any, kinds: Any, seeds: int) -> Callable[[], Any]:
    """A function that makes the thing; the thing itself serves one seed.

    Raises:
        TypeError: where it is neither.
        ValueError: where a thing is given for several seeds.
    """
    if not isinstance(value, kinds):
        if not callable(value):
            raise TypeError(
                f"`{name}` must be given, or a function that makes it. "
                f"Received: {name}={value!r}."
            )
        return value
    if seeds > 1:
        raise ValueError(
            f"`{name}` must be a function without arguments that makes it anew for "
            f"each of the {seeds} seeds. Received: {type(value).__name__}."
        )
    return lambda: value
