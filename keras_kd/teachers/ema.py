"""The average of the student's own past as its teacher.

average ← d · average + (1 − d) · student,   d = min(decay, (1 + t) / (10 + t))
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.copying import copy_of
from keras_kd.probabilities import ends_in_probabilities
from keras_kd.registration import register
from keras_kd.taps import FeatureExtractor
from keras_kd.teachers.teacher import Teacher
from keras_kd.validation import share


@register
class EMATeacher(Teacher):
    """Mean teacher: a copy of the student that follows it slowly, step by step.

    After each step every weight of the copy, statistics of batch normalization
    included, moves towards the student's. It teaches in inference mode, and its taps
    are the student's. The Distiller saves the copy and resumes it exactly, so it is
    not handed in again: `keras.saving.load_model` is enough.

    Args:
        decay: float from 0 to 1, how much of the average stays in each step. Defaults
            to 0.999.
        warmup: bool. In the first steps keep less, `(1 + t) / (10 + t)` after t
            steps, so that the beginnings are forgotten soon. Defaults to True.

    Example:

    ```python
    teacher = EMATeacher(decay=0.99)
    distiller = Distiller(teacher, student, methods.mean_teacher())
    distiller.compile("adam", loss)
    distiller.fit(images, labels, verbose=0)
    teacher.model.save("average.keras")  # often better than the student itself
    ```

    Reference:
        Tarvainen, Valpola. Mean Teachers Are Better Role Models: Weight-averaged
        Consistency Targets Improve Semi-supervised Deep Learning Results. NeurIPS
        2017. https://arxiv.org/abs/1703.01780
    """

    name = "ema"
    saved = True

    def __init__(self, decay: float = 0.999, warmup: bool = True):
        self.decay = share("decay", decay)
        self.warmup = bool(warmup)
        self._average: Average | None = None
        self._student: keras.Model | None = None

    @property
    def layer(self) -> Average | None:
        """The average and its count of steps."""
        return self._average

    @property
    def model(self) -> keras.Model:
        """The average as a model, ready to save or export.

        Raises:
            ValueError: before a Distiller has taken the teacher.
        """
        if self._average is None:
            raise ValueError(
                "An EMATeacher is made from the student: give it to a Distiller first, "
                "as in Distiller(EMATeacher(), student, terms)."
            )
        return self._average.model

    @property
    def models(self):
        return () if self._average is None else (self._average.model,)

    def attach(self, student):
        if self._student is not student:
            self._student = student
            self._average = Average(copy_of_student(student))

    def features(self, x, taps, student=None):
        return FeatureExtractor(self.model, taps)(x, training=False)

    def after_step(self, student):
        if self._average is not None:
            self._average.follow(student, self.decay, self.warmup)

    def gives_probabilities(self, tap):
        return ends_in_probabilities(self.model, tap)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes; the average is among the Distiller's weights."""
        return {"decay": self.decay, "warmup": self.warmup}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EMATeacher:
        return cls(**config)


class Average(keras.layers.Layer):
    """The average, and how many steps it has followed."""

    def __init__(self, model: keras.Model):
        super().__init__(name="average", trainable=False)
        self.model = model
        self.model.trainable = False
        self.steps = self.add_weight(
            name="steps", initializer="zeros", dtype="int32", trainable=False
        )
        self.built = True

    def call(self, inputs):
        return self.model(inputs, training=False)

    def follow(self, student: keras.Model, decay: float, warmup: bool) -> None:
        """Move towards the student.

        Args:
            student: the model that this is an average of.
            decay: float, how much stays.
            warmup: bool, whether less stays in the first steps.
        """
        step = ops.cast(self.steps, "float32")
        keep = ops.convert_to_tensor(decay, "float32")
        if warmup:
            keep = ops.minimum(keep, (1.0 + step) / (10.0 + step))
        new = [self.steps + 1]
        for own, theirs in zip(self.model.weights, student.weights, strict=True):
            new.append(_mixed(own, theirs, keep))
        _assign([self.steps, *self.model.weights], new)


def copy_of_student(student: keras.Model) -> keras.Model:
    """A model of the same layers, names and weights, and no variable in common.

    Raises:
        ValueError: if it cannot be built anew from its configuration.
    """
    try:
        return copy_of(student)
    except Exception as error:
        raise ValueError(
            f"EMATeacher needs a copy of the student {student.name!r}, and it cannot "
            f"be built from its configuration: {error}"
        ) from error


def _mixed(own, theirs, keep):
    """Counts and other whole numbers are taken over; floats are averaged."""
    if "float" not in keras.backend.standardize_dtype(own.dtype):
        return ops.convert_to_tensor(theirs)
    wide = ops.cast(own, "float32")
    return wide + (1.0 - keep) * (ops.cast(theirs, "float32") - wide)


def _assign(variables, values):
    """Assign on every replica what each of them has found, the same on all."""
    if not tf.distribute.has_strategy():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return

    def update(strategy, values):
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(
                variable.value,
                lambda v, new: v.assign(tf.cast(new, v.dtype)),
                args=(value,),
                group=False,
            )

    context = tf.distribute.get_replica_context()
    if context is None:
        update(tf.distribute.get_strategy(), values)
    else:
        context.merge_call(update, args=(values,))
