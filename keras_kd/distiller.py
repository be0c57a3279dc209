"""The Distiller: a Keras model whose training step also listens to a teacher.

    total = hard_loss_weight · hard + Σ weight_i · term_i + regularisers

`train_step` obtains the teacher's features and hands on to Keras's own step, which
keeps loss scaling, accumulation, averaging, sample weights and replicas. Keras calls
`call`, where the student's features are recorded, and `compute_loss`, where the
terms are added.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.epochs import counting_epochs, epoch_counter
from keras_kd.hyperparameters import Hyperparameter
from keras_kd.metrics import (
    TeacherMetric,
    refuse_teacher_metrics,
    split_teacher_metrics,
)
from keras_kd.registration import register
from keras_kd.taps import output_features, require_built, select
from keras_kd.targets import index_of, unpack_targets
from keras_kd.teachers import as_teacher
from keras_kd.terms import DistillationTerm, as_term
from keras_kd.types import OUTPUT, Features, Number
from keras_kd.validation import non_negative, unique_names
from keras_kd.wiring import connect, teacher_taps


@dataclasses.dataclass
class _Step:
    """What one step has seen so far."""

    teacher: Features | None
    student: Features | None = None
    index: Any = None


@register
class Distiller(keras.Model):
    """Trains a student from its labels and from a teacher.

    Compile, fit, evaluate and predict it as any Keras model; `distiller.student`
    is the student itself, without taps or adapters, ready to save or export. Each
    step runs the student once and the teacher once; `evaluate` runs the student
    alone and reports the loss that the student would report by itself.

    Args:
        teacher: a built `keras.Model`, which is left as it is, a `FrozenTeacher`,
            `EnsembleTeacher` or `SelfTeacher`, or None where all targets come
            stored in `y` (see `pack_targets`).
        student: a built `keras.Model`.
        terms: list of `DistillationTerm`; a loss alone compares the outputs.
            `keras_kd.methods` has published lists.
        hard_loss_weight: non-negative float, or a schedule of the optimizer's
            step: the weight of the loss given to `compile`. It is a variable.
            Defaults to 1.
        name: str. Defaults to `"distiller"`.

    Raises:
        ValueError: where a tap is not there or runs twice, tensors cannot be
            compared, a model is not built, a teacher ends in a softmax where
            logits are wanted, or the two share layers.

    Example:

    ```python
    distiller = Distiller(teacher, student, methods.hinton(temperature=4.0))
    distiller.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    distiller.fit(images, labels, epochs=10)
    distiller.student.save("student.keras")
    ```

    Logs hold `loss`, `hard_loss`, one entry per term and the compiled metrics.
    """

    teacher: Any  # a Teacher or None; what is assigned is wrapped and checked

    def __init__(
        self,
        teacher: Any,
        student: keras.Model,
        terms: Sequence[Any],
        hard_loss_weight: Number = 1.0,
        name: str = "distiller",
    ):
        require_built(student)
        # The student's own policy, so that `compile` scales the loss when the student
        # needs it; and no cast, so that its inputs arrive as without us.
        super().__init__(name=name, dtype=student.dtype_policy, autocast=False)
        if not isinstance(terms, (list, tuple)):
            terms = [terms]
        self.student = student
        self.terms: list[DistillationTerm] = [as_term(term) for term in terms]
        names = [term.name for term in self.terms]
        unique_names("Terms", ["loss", "hard_loss", *names])
        self.hard_loss_weight = Hyperparameter(
            hard_loss_weight, "hard_loss_weight", non_negative
        )
        self.trackers = {
            key: keras.metrics.Mean(name=key) for key in ("hard_loss", *names)
        }
        self.epoch = epoch_counter()
        self.teacher_metrics: list[TeacherMetric] = []
        self.teacher = teacher
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "teacher":
            # A plain object: Keras would track a model, and save it.
            value = None if value is None else as_teacher(value)
            extractor = connect(value, self.student, self.terms)
            super().__setattr__("student_features", extractor)
            # A traced graph would go on with the teacher it has seen.
            self.train_function = self.test_function = None
        super().__setattr__(name, value)

    @classmethod
    def load(cls, path: Any, teacher: Any) -> Distiller:
        """A saved Distiller, with its teacher handed in again.

        Args:
            path: the `.keras` file that `save` wrote; it does not hold the teacher.
            teacher: as in the constructor.

        Returns:
            The compiled Distiller, ready to train on.
        """
        distiller = keras.saving.load_model(path)
        distiller.teacher = teacher
        return distiller

    @property
    def output_names(self) -> list[str] | None:
        """The student's, by which `compile` finds losses given as a dict."""
        return getattr(self.student, "output_names", None)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; `metrics` may hold teacher metrics as well.

        Raises:
            ValueError: without a loss where `hard_loss_weight` is not 0.
        """
        if loss is None and float(self.hard_loss_weight):
            raise ValueError(
                "`loss` is missing, and hard_loss_weight is "
                f"{float(self.hard_loss_weight)}: pass `loss=...` to `compile`, or "
                "`hard_loss_weight=0` to learn from the teacher alone."
            )
        metrics, self.teacher_metrics = split_teacher_metrics(metrics)
        refuse_teacher_metrics((metrics, weighted_metrics))
        super().compile(
            optimizer, loss, loss_weights, metrics, weighted_metrics, **kwargs
        )

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        return super().fit(**counting_epochs(self, self.epoch, args, kwargs))

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["teacher_metrics"] = [
                keras.saving.serialize_keras_object(m) for m in self.teacher_metrics
            ]
        return config

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        of_teacher = config.pop("teacher_metrics", [])
        self.compile(**config)
        self.teacher_metrics = of_teacher
        self.optimizer.build(self.trainable_variables)

    def call(self, inputs, training=False):
        step = _step.get()
        if step is None or not training:
            return self.student(inputs, training=training)
        step.student = self.student_features(inputs, training=training)
        return step.student[OUTPUT]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        labels, teacher = unpack_targets(y)
        for hyperparameter in self._hyperparameters():
            hyperparameter.follow(self.optimizer.iterations, self.epoch)
        teacher = teacher or self._live_features(x)
        with _stepping(_Step(teacher, index=index_of(y))):
            return super().train_step((x, labels, sample_weight))

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        labels, teacher = unpack_targets(y)
        if self.teacher_metrics and teacher is None:
            teacher = self._live_features(x)
        with _stepping(_Step(teacher)):
            logs = super().test_step((x, labels, sample_weight))
        return {key: value for key, value in logs.items() if key not in self.trackers}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        hard = self._hard_loss(y, y_pred, sample_weight, training)
        step = _step.get()
        if step is None or step.student is None or not training:
            return hard + self._penalties(self.student)
        student, teacher = step.student, step.teacher
        if teacher is None:
            teacher = step.teacher = self.teacher(x, teacher_taps(self.terms), student)
        total = self.hard_loss_weight * hard
        values = {"hard_loss": hard}
        for term in self.terms:
            value = values[term.name] = term(
                select(student, term.student),
                select(teacher, term.teacher),
                labels=y,
                sample_weight=sample_weight,
                index=step.index,
                training=training,
            )
            total += term.weight * value
        self._track(values, x)
        # Last: adapters may have added to them.
        return total + self._penalties(self)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        step = _step.get()
        if self.teacher_metrics and step is not None:
            teacher = step.teacher or self.teacher(x, (), output_features(y_pred))
            student = output_features(y_pred)
            for metric in self.teacher_metrics:
                metric.update_state(teacher[metric.output], student[metric.output])
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self):
        return {
            "name": self.name,
            "student": keras.saving.serialize_keras_object(self.student),
            "terms": [keras.saving.serialize_keras_object(t) for t in self.terms],
            "hard_loss_weight": self.hard_loss_weight.get_config(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for key in ("student", "terms"):
            config[key] = keras.saving.deserialize_keras_object(
                config[key], custom_objects
            )
        return cls(None, **config)

    def _live_features(self, x):
        """The teacher's features, outside the tape; None if it is the student."""
        if self.teacher is None:
            raise ValueError(
                "The Distiller has no teacher and the batch no stored targets: set "
                "`distiller.teacher = teacher`, or pass "
                "`y=keras_kd.pack_targets(labels, features)`."
            )
        if self.teacher.student_taps((OUTPUT,)):
            return None
        return self.teacher(x, teacher_taps(self.terms))

    def _hard_loss(self, labels, y_pred, sample_weight, training):
        if self._compile_loss is None:
            return ops.zeros(())
        if labels is None:
            with tf.init_scope():
                wanted = float(self.hard_loss_weight)
            if wanted and training:
                raise ValueError(
                    f"The batch has no labels, and hard_loss_weight is {wanted}: "
                    "pass `y`, or `hard_loss_weight=0`."
                )
            return ops.zeros(())
        return self._compile_loss(labels, y_pred, sample_weight)

    def _penalties(self, layer):
        """Regularisers and `add_loss`, at their own strength whatever the weights."""
        losses = [self._aggregate_additional_loss(loss) for loss in layer.losses]
        return sum(losses, ops.zeros(()))

    def _track(self, values, x):
        # Keras divided by the number of replicas, whose gradients are summed;
        # what people read is the mean.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        first = next(part for part in keras.tree.flatten(x) if part is not None)
        examples = ops.shape(first)[0]
        for name, value in values.items():
            self.trackers[name].update_state(value * replicas, sample_weight=examples)

    def _hyperparameters(self):
        yield self.hard_loss_weight
        for term in self.terms:
            yield from term.hyperparameters


_step: contextvars.ContextVar[_Step | None] = contextvars.ContextVar(
    "keras_kd_step", default=None
)


@contextlib.contextmanager
def _stepping(step: _Step) -> Iterator[None]:
    """Let `call` and `compute_loss` in this thread see the step they belong to."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)
