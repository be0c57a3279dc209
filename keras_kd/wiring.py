"""Joining teacher, student and terms: everything that can be refused, refused now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import keras

from keras_kd.probabilities import ends_in_probabilities
from keras_kd.taps import TapError, flat_taps, input_spec, select
from keras_kd.teachers import Teacher
from keras_kd.terms import DistillationTerm
from keras_kd.types import Features, Tap
from keras_kd.validation import listing
from keras_kd.views import StudentFeatures, of_view


def connect(
    teacher: Teacher | None,
    student: keras.Model,
    terms: Sequence[DistillationTerm],
    logits: tuple[Sequence[Tap], Sequence[Tap]] = ((), ()),
    views: Iterable[str] = (),
) -> StudentFeatures:
    """Check the taps and shapes of both sides and build the terms.

    Without a teacher, the terms are built when the first stored targets arrive.

    Args:
        teacher: the source of the teacher's features, or None.
        student: a built model.
        terms: the terms; those not built yet get their adapters here.
        logits: outputs of the student and of the teacher that are read as logits,
            besides those of the terms.
        views: names of what the student sees besides the batch itself.

    Returns:
        The extractor of what the terms read from the student.

    Raises:
        ValueError: one sentence about the first thing that does not fit.
    """
    wanted = student_taps(terms) + [*logits[0]]
    if teacher is not None:
        refuse_shared_layers(teacher, student)
        wanted += teacher.student_taps(teacher_taps(terms))
    extractor = StudentFeatures(student, wanted, views)
    refuse_probabilities(teacher, student, terms, logits, views)
    x = input_spec(student)
    seen_in_student = extractor.spec(x, training=True)
    if teacher is not None:
        seen_in_teacher = teacher_spec(teacher, x, terms, seen_in_student)
        build_terms(terms, seen_in_student, seen_in_teacher)
    return extractor


def build_terms(
    terms: Sequence[DistillationTerm], student: Features, teacher: Features
) -> None:
    """Build each term for the features of both sides, or check that it fits them."""
    for term in terms:
        pair = (
            shapes(select(student, term.student)),
            shapes(select(teacher, term.teacher)),
        )
        term.check_shapes(*pair) if term.built else term.build(*pair)


def teacher_taps(terms: Sequence[DistillationTerm]) -> list[Tap]:
    """What the terms read from the teacher."""
    return [tap for term in terms for tap in flat_taps(term.teacher)]


def student_taps(terms: Sequence[DistillationTerm]) -> list[Tap]:
    """What the terms read from the student."""
    return [tap for term in terms for tap in flat_taps(term.student)]


def teacher_spec(teacher, x, terms, student):
    """The shapes of the teacher's features for the student's input."""
    try:
        return teacher.spec(x, teacher_taps(terms), student)
    except TapError:
        raise
    except Exception as error:
        raise ValueError(
            f"The teacher {teacher.name!r} does not take the student's input "
            f"{shapes(x)}: wrap it as FrozenTeacher(model, preprocess=..., "
            f"size=(height, width)). It said: {_gist(error)}"
        ) from error


def shapes(features):
    """A structure of tensors as the same structure of shapes."""
    return keras.tree.map_structure(lambda x: tuple(x.shape), features)


def refuse_shared_layers(teacher: Teacher, student: keras.Model) -> None:
    """A layer in both models would be frozen and trained at once."""
    own = {id(layer): layer.name for layer in _layers_with_weights(student)}
    for model in teacher.models:
        shared = [
            own[id(layer)] for layer in _layers_with_weights(model) if id(layer) in own
        ]
        if shared:
            raise ValueError(
                f"Teacher {model.name!r} and student {student.name!r} share layers: "
                f"{listing(shared, 5)}. Build the student anew, or clone the teacher "
                "with keras.models.clone_model and set its weights."
            )


def refuse_probabilities(
    teacher: Teacher | None,
    student: keras.Model,
    terms: Sequence[DistillationTerm],
    logits: tuple[Sequence[Tap], Sequence[Tap]] = ((), ()),
    views: Iterable[str] = (),
) -> None:
    """A softmax applied before a loss that applies its own flattens the targets."""
    readers = [("The strength", *logits)]
    for term in terms:
        if term.loss.compares == "logits":
            taps = flat_taps(term.student), flat_taps(term.teacher)
            readers.append((f"Term {term.name!r}", *taps))
    for reader, of_student, of_teacher in readers:
        for tap in of_teacher:
            if teacher is not None and teacher.gives_probabilities(tap):
                raise ValueError(
                    f"{reader} wants logits, and teacher {teacher.name!r} "
                    f"ends in a softmax or sigmoid at {tap!r}: build it with "
                    "activation None in its last layer, or wrap it as "
                    "FrozenTeacher(model, from_probabilities=True)."
                )
        for tap in of_student:
            if ends_in_probabilities(student, of_view(tap, views)):
                raise ValueError(
                    f"{reader} wants logits, and student {student.name!r} "
                    f"ends in a softmax or sigmoid at {tap!r}: build it with "
                    "activation None in its last layer, and give `compile` a loss "
                    "with from_logits=True."
                )


def _layers_with_weights(model):
    return [layer for layer in model._flatten_layers() if layer.weights]


def _gist(error):
    """The line of a Keras error that says what was wrong."""
    frame = ("Could not automatically", "Exception encountered", "Arguments", "•")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines()]
    said = [line for line in lines if line and not line.startswith(frame)]
    return said[0] if said else type(error).__name__
