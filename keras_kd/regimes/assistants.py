"""Teacher assistants: a chain of sizes between a teacher and a much smaller student.

TAKD:  teacher → assistant 1 → assistant 2 → student
DGKD:  the same chain, and each link hears all that came before it
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_kd.distiller import Distiller
from keras_kd.taps import require_built
from keras_kd.teachers import EnsembleTeacher, as_teacher
from keras_kd.types import Number
from keras_kd.validation import callable_or_none, unique_names

FIRST = "teacher"


@dataclasses.dataclass(frozen=True)
class Link:
    """One training of a chain.

    Args:
        student: the model that was trained.
        teachers: the names of those it heard.
        trained: what `fit` returned, such as a `keras.callbacks.History`.
    """

    student: keras.Model
    teachers: tuple[str, ...]
    trained: Any


@dataclasses.dataclass(frozen=True)
class Chain:
    """What `distill_chain` made: its links, from the teacher's side on."""

    links: tuple[Link, ...]

    @property
    def student(self) -> keras.Model:
        """The last one, which is deployed."""
        return self.links[-1].student

    @property
    def assistants(self) -> tuple[keras.Model, ...]:
        """All before the last."""
        return tuple(link.student for link in self.links[:-1])

    def __str__(self) -> str:
        return "\n".join(
            f"{link.student.name}: {link.student.count_params():,} parameters, taught "
            f"by {' and '.join(link.teachers)}"
            for link in self.links
        )


def distill_chain(
    teacher: Any,
    students: Sequence[keras.Model],
    make_terms: Callable[[Any, keras.Model], Sequence[Any]],
    fit: Callable[[Distiller], Any],
    dense: bool = False,
    hard_loss_weight: Number = 1.0,
) -> Chain:
    """Trains students one after the other, each taught by the one before it.

    A student far smaller than its teacher cannot follow it; an assistant of a size
    between them can, and can be followed. Whether that pays must be measured against
    the student taught by the teacher at once, with as many epochs as the whole chain.

    Args:
        teacher: a built `keras.Model` or a teacher.
        students: list of built models, the largest assistant first, the student to
            deploy last.
        make_terms: function `(teacher, student) -> terms`, called for each link with
            what teaches it and who learns; `lambda teacher, student:
            methods.hinton()` where they are always the same.
        fit: function of a `Distiller`, which compiles and trains it.
        dense: bool. Each student hears the teacher and all assistants before it, each
            as much as any other (DGKD), in place of the last one alone; terms at the
            output are then compared with each of them, and other taps of a teacher
            begin with its name, `"assistant/block_2"`; the teacher's own name is
            `"teacher"`. Defaults to False.
        hard_loss_weight: of each Distiller. Defaults to 1.

    Returns:
        `Chain`; `chain.student` is the last one.

    Raises:
        ValueError: without students, with one that is not built, or with two of one
            name.

    Example:

    ```python
    def fit(distiller):
        distiller.compile("adam", loss)
        return distiller.fit(images, labels, verbose=0)

    terms = lambda teacher, student: keras_kd.methods.hinton()
    chain = distill_chain(teacher, [wide, student], terms, fit)
    print(chain)
    ```

    Reference:
        Mirzadeh, Farajtabar, Li, Levine, Matsukawa, Ghasemzadeh. Improved Knowledge
        Distillation via Teacher Assistant. AAAI 2020.
        https://arxiv.org/abs/1902.03393. `dense`: Son, Na, Choi, Hwang. Densely Guided
        Knowledge Distillation Using Multiple Teacher Assistants. ICCV 2021.
        https://arxiv.org/abs/2009.08825; it sums over the teachers, where this takes
        the mean, and its dropping of teachers at random is left out.
    """
    students = list(students)
    if not students:
        raise ValueError("`students` must have at least one model. Received none.")
    for student in students:
        require_built(student)
    unique_names("Students of a chain", [FIRST, *(s.name for s in students)])
    for name, function in (("make_terms", make_terms), ("fit", fit)):
        if callable_or_none(name, function) is None:
            raise TypeError(f"`{name}` must be a function. Received: None.")
    latest = as_teacher(teacher)
    heard = {FIRST: latest}
    links = []
    for student in students:
        source = EnsembleTeacher(heard, combine="losses") if dense else latest
        terms = make_terms(source, student)
        distiller = Distiller(source, student, terms, hard_loss_weight)
        by = tuple(heard) if dense else tuple(heard)[-1:]
        links.append(Link(student, by, fit(distiller)))
        latest = heard[student.name] = as_teacher(student)
    return Chain(tuple(links))
