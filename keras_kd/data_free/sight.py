"""The teacher as images see it that learn from it: gradients flow through.

A `Teacher` gives targets, through which none does. Here its model runs in inference
mode under the tape: its weights and statistics stay, and the images move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from keras_kd.data_free.priors import STATISTICS, Prior
from keras_kd.data_free.sources import ImageSource
from keras_kd.probabilities import log_probabilities
from keras_kd.recording import CALL, record
from keras_kd.taps import find_layer, input_spec, is_output, output_features
from keras_kd.teachers import FrozenTeacher
from keras_kd.types import OUTPUT, Tap
from keras_kd.wiring import shapes, teacher_spec


class Sight:
    """One pass of a teacher's model that images can learn from.

    Args:
        teacher: a `FrozenTeacher`.
        taps: what of it is looked at: its output, or layers.
        statistics: bool: whether what arrives at its BatchNorm layers is kept too.

    Raises:
        TypeError: where it is another teacher.
        ValueError: where no gradient flows through its engine, a tap is not there, or
            it has no BatchNorm layer and `statistics` are wanted.
    """

    def __init__(self, teacher: Any, taps: Iterable[Tap], statistics: bool):
        if not isinstance(teacher, FrozenTeacher):
            raise TypeError(
                "Images learn through the teacher: it must be a keras.Model or a "
                f"FrozenTeacher. Received: {teacher!r}."
            )
        if teacher.chosen != "tensorflow":
            raise ValueError(
                "Images learn through the teacher, and gradients flow through "
                "engine='tensorflow' alone. Received: "
                f"engine={teacher.engine!r}."
            )
        self.teacher = teacher
        self.layers = {
            tap: find_layer(teacher.model, tap) for tap in taps if not is_output(tap)
        }
        self.norms = norms(teacher.model) if statistics else []
        if statistics and not self.norms:
            raise ValueError(
                f"BatchNormStatistics looks at BatchNormalization layers, and teacher "
                f"{teacher.model.name!r} has none: leave that prior out."
            )

    def __call__(self, images: Any) -> dict[str, Any]:
        """What stands at the taps, the outputs, and at `"statistics"` where wanted.

        Args:
            images: a batch, as the student takes it.
        """
        wanted = [*self.layers.values(), *self.norms]
        with record([(layer, CALL) for layer in wanted]) as recording:
            y = self.teacher.model(self.teacher.entering(images), training=False)
        if self.teacher.from_probabilities:
            y = keras.tree.map_structure(log_probabilities, y)
        seen: dict[str, Any] = dict(output_features(y))
        for tap, layer in self.layers.items():
            seen[tap] = recording.values_of(layer)[-1]
        if self.norms:
            # A layer that runs twice remembers both alike.
            runs = [
                (norm, next(iter(run.arguments.values())))
                for norm in self.norms
                for run in recording.runs_of(norm, CALL)
            ]
            remembered = [(n.moving_mean, n.moving_variance) for n, _ in runs]
            seen[STATISTICS] = remembered, [arrived for _, arrived in runs]
        return seen


def norms(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model that remember the statistics of what arrives."""
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def sight_of(
    teacher: Any,
    student: keras.Model,
    source: ImageSource,
    priors: Sequence[Prior],
) -> Sight | None:
    """Check that teacher, student, images and priors fit each other.

    Args:
        teacher: a `Teacher`, or None where it is handed in later.
        student: a built model.
        source: makes the images; it gets to know the models here.
        priors: what the images learn by.

    Returns:
        The teacher as images see it; None without a teacher.

    Raises:
        TypeError: where gradients do not flow through the teacher.
        ValueError: one sentence about the first thing that does not fit.
    """
    spec = input_spec(student)
    if not isinstance(spec, keras.KerasTensor) or len(spec.shape) != 4:
        raise ValueError(
            "DataFreeDistiller makes images (batch, height, width, channels) for a "
            f"student of one input. Received: student {student.name!r}, which takes "
            f"{shapes(spec)}."
        )
    taken = tuple(spec.shape[1:])
    if teacher is None:
        source.prepare(taken, 1)
        return None
    wanted = [tap for prior in priors for tap in prior.taps]
    sight = Sight(teacher, wanted, any(p.at == STATISTICS for p in priors))
    source.prepare(taken, 1)
    images = keras.KerasTensor((None, *source.image_shape), spec.dtype)
    said = teacher_spec(teacher, images, [], None)[OUTPUT]
    if not isinstance(said, keras.KerasTensor):
        raise ValueError(
            "DataFreeDistiller takes a teacher of one output. Received: teacher "
            f"{teacher.name!r}, which gives {shapes(said)}."
        )
    if OUTPUT in wanted and teacher.gives_probabilities(OUTPUT):
        raise ValueError(
            f"The priors want logits, and teacher {teacher.name!r} ends in a softmax "
            "or sigmoid: wrap it as FrozenTeacher(model, from_probabilities=True)."
        )
    source.prepare(taken, said.shape[-1])
    for prior in priors:
        if prior.wants_classes and source.classes is None:
            raise ValueError(
                f"Prior {prior.name!r} asks which class an image is to show, and a "
                "generator does not say: use losses.ClassConfidence() with it, or "
                "OptimisedImages."
            )
    return sight
