"""The Distiller: a Keras model whose training step also listens to a teacher.

    total = hard_loss_weight · hard + Σ weight_i · term_i + regularisers

`train_step` obtains the teacher's features and hands on to Keras's own step, which
keeps loss scaling, accumulation, averaging, sample weights and replicas. Keras calls
`call`, where the student's features are recorded, and `compute_loss`, where the
terms are added.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.callbacks.epochs import counting_epochs, epoch_counter
from keras_kd.feeding import fed
from keras_kd.hyperparameters import Hyperparameter
from keras_kd.metrics import (
    TeacherMetric,
    refuse_teacher_metrics,
    results_of,
    split_teacher_metrics,
)
from keras_kd.objective.balance import MagnitudeBalance, as_balance
from keras_kd.objective.config import arguments_from, config_of, handing_in
from keras_kd.objective.hard_loss import hard_loss, track
from keras_kd.objective.stage import Narrowing, Stage
from keras_kd.objective.step import Step, current_step, stepping
from keras_kd.objective.strength import DynamicStrength, as_strength
from keras_kd.objective.total import Objective
from keras_kd.registration import register
from keras_kd.replicas.batch import own_rows, scaled
from keras_kd.replicas.training import Replicated
from keras_kd.shared_labels import shared_labels, shared_loss, shared_metrics
from keras_kd.taps import input_spec, output_features, require_built
from keras_kd.targets import index_of, unpack_targets
from keras_kd.teachers import as_teacher
from keras_kd.terms import DistillationTerm, as_term
from keras_kd.types import OUTPUT, Number
from keras_kd.validation import non_negative
from keras_kd.views import as_views, read_by, views_of
from keras_kd.wiring import build_terms, connect, student_taps, teacher_taps


@register
class Distiller(Replicated, keras.Model):
    """Trains a student from its labels and from a teacher.

    Compile, fit, evaluate and predict it as any Keras model; `distiller.student`
    is the student itself, without taps or adapters, ready to save or export. Each
    step runs the student once and the teacher once; `evaluate` runs the student
    alone and reports the loss that the student would report by itself.

    Args:
        teacher: a built `keras.Model`, which is left as it is, a `FrozenTeacher`,
            `EnsembleTeacher`, `SelfTeacher` or `StoredTeacher`, or None where all
            targets come stored in `y` (see `pack_targets`).
        student: a built `keras.Model`.
        terms: list of `DistillationTerm`; a loss alone compares the outputs.
            `keras_kd.methods` has published lists.
        hard_loss_weight: non-negative float, or a schedule of the optimizer's step
            or of the epoch: the weight of the loss given to `compile`. It is a
            variable. Defaults to 1.
        name: str. Defaults to `"distiller"`.
        strength: a `DynamicStrength`, its measure alone, or None: which examples
            follow their label and which the teacher. Defaults to None: all of
            them both alike.
        balance: a `MagnitudeBalance`, which makes each term's weight a share of
            the hard loss, or None. Defaults to None.
        views: dict from a name to a `View`, a layer or a function of the batch: what
            the student sees besides the batch itself. Terms read it at taps that
            begin with the name, `"flipped/output"`. Defaults to None.

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

    Logs hold `loss`, `hard_loss`, one entry per term and the compiled metrics; with a
    strength also `strength`, its mean.
    """

    teacher: Any  # a Teacher or None; what is assigned is wrapped and checked

    def __init__(
        self,
        teacher: Any,
        student: keras.Model,
        terms: Sequence[Any],
        hard_loss_weight: Number = 1.0,
        name: str = "distiller",
        strength: Any = None,
        balance: MagnitudeBalance | None = None,
        views: Mapping[str, Any] | None = None,
    ):
        require_built(student)
        # The student's own policy, so that `compile` scales the loss when the student
        # needs it; and no cast, so that its inputs arrive as without us.
        super().__init__(name=name, dtype=student.dtype_policy, autocast=False)
        if not isinstance(terms, (list, tuple)):
            terms = [terms]
        self.student = student
        self.terms: list[DistillationTerm] = [as_term(term) for term in terms]
        self.hard_loss_weight = Hyperparameter(
            hard_loss_weight, "hard_loss_weight", non_negative
        )
        self.strength: DynamicStrength | None = as_strength(strength)
        self.balance = as_balance(balance)
        self.views = as_views(views)
        self.view_layers = [layer for v in self.views.values() for layer in v.layers]
        self.objective = Objective(
            self.terms, self.hard_loss_weight, self.strength, self.balance
        )
        self.trackers = {
            key: keras.metrics.Mean(name=key) for key in self.objective.entries()
        }
        self.epoch = epoch_counter()
        self.teacher_metrics: list[TeacherMetric] = []
        self.stage = Stage()
        self._narrowing = Narrowing(student, self.terms)
        self.teacher = teacher
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "teacher":
            # A plain object: Keras would track a model, and save it.
            value = None if value is None else as_teacher(value)
            if value is not None:
                value.attach(self.student)
            logits = self.strength.logits if self.strength else ((), ())
            extractor = connect(value, self.student, self.terms, logits, self.views)
            super().__setattr__("student_features", extractor)
            super().__setattr__("teacher_layer", value and value.layer)
            self.objective.each = value.each if value else lambda tap: ()
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
        with handing_in(None if teacher is None else as_teacher(teacher)):
            return keras.saving.load_model(path)

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
        loss = shared_loss(self.student, loss, loss_weights)
        metrics = shared_metrics(self.student, metrics)
        weighted_metrics = shared_metrics(self.student, weighted_metrics)
        super().compile(
            optimizer, loss, loss_weights, metrics, weighted_metrics, **kwargs
        )

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        before = self.stage
        given = counting_epochs(self, self.epoch, args, kwargs)
        taps = self._taps_of_teacher()
        if taps and self.teacher is not None and self.teacher.runs_ahead:
            given = fed(self.teacher, taps, given)
        try:
            return super().fit(**given)
        finally:
            self.enter(before)

    def enter(self, stage: Stage) -> None:
        """Train on with other terms and layers; `callbacks.Stages` does so by epochs.

        Args:
            stage: a `callbacks.Stage`; `Stage()` is all of them.

        Raises:
            ValueError: where a term or a layer is not there.
        """
        if stage == self.stage:
            return
        stage.check(self.student, self.terms)
        self.stage = stage
        if self.train_function is not None:
            self.make_train_function(force=True)

    def narrowed(self):
        """A context in which only what the stage trains is trainable."""
        return self._narrowing(self.stage)

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
        step = current_step()
        if step is None or not training:
            return self.student(inputs, training=training)
        step.student = self.student_features(inputs, step.views, training=training)
        return step.student[OUTPUT]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        for hyperparameter in self.objective.hyperparameters:
            hyperparameter.follow(self.optimizer.iterations, self.epoch)
        labels, step = self._step(x, y)
        with stepping(step), self.narrowed():
            logs = super().train_step((x, labels, sample_weight))
        if self.teacher is not None:
            self.teacher.after_step(self.student)
        return logs

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        labels, teacher = self._unpacked(y)
        if self.teacher_metrics and teacher is None:
            teacher = self._live_features(x, labels)
        with stepping(Step(teacher)):
            logs = super().test_step((x, labels, sample_weight))
        return {key: value for key, value in logs.items() if key not in self.trackers}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        # Under several replicas Keras builds losses on a batch as it arrives.
        y, step = self._unpacked(y)[0], current_step()
        if step is None or step.student is None or not training:
            hard = self._hard_loss(y, y_pred, sample_weight, training)
            return hard + self._penalties(self.student)
        parts = self._parts(step, x, y, y_pred, sample_weight)
        track(self.trackers, parts, x)
        own = self.teacher and self.teacher.own_loss(step.teacher, y, sample_weight)
        # Last: adapters may have added to them.
        total = sum(parts.weighted.values()) + self._penalties(self)
        return total if own is None else total + scaled(own)

    def weighted_losses(self, x, y=None, sample_weight=None) -> dict[str, Any]:
        """The parts of a training step's loss on a batch, as they are added up.

        Args:
            x, y, sample_weight: a batch, as `train_on_batch` takes it.

        Returns:
            Dict from `"hard_loss"` and the terms' names to scalars.
        """
        labels, step = self._step(x, y)
        with stepping(step), self.narrowed():
            y_pred = self(x, training=True)
            return self._parts(step, x, labels, y_pred, sample_weight).weighted

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        step = current_step()
        if self.teacher_metrics and step is not None:
            teacher = step.teacher or self.teacher(x, (), output_features(y_pred))
            teacher, student = own_rows((teacher, output_features(y_pred)))
            for metric in self.teacher_metrics:
                metric.update_state(teacher[metric.output], student[metric.output])
        labels, _ = self._unpacked(y)
        if labels is None:  # the compiled metrics would be of nothing
            return results_of(m for m in self.metrics if m is not self._compile_metrics)
        return super().compute_metrics(x, labels, y_pred, sample_weight)

    def get_metrics_result(self):
        return results_of(self.metrics)

    def get_config(self):
        return config_of(self)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**arguments_from(config, custom_objects))

    def _unpacked(self, y):
        """The labels, in the form of the student's outputs, and stored features."""
        labels, teacher = unpack_targets(y)
        return shared_labels(self.student, labels), teacher

    def _step(self, x, y):
        """The labels, and a step with what the teacher says and the views show."""
        labels, teacher = self._unpacked(y)
        self._build_state(teacher)
        step = Step(teacher or self._live_features(x, labels), index=index_of(y))
        terms = self.objective.terms_on(self.stage)
        views = read_by(self.views, student_taps(terms) + teacher_taps(terms))
        seen = self.student, labels, step.teacher
        step.views = views_of(views, x, *seen, self.optimizer)
        return labels, step

    def _taps_of_teacher(self):
        """All that a step may read, whatever the stage."""
        taps = teacher_taps(self.terms)
        taps += [self.strength.output] if self.strength else []
        return [*taps, *(metric.output for metric in self.teacher_metrics)]

    def _live_features(self, x, labels=None):
        """The teacher's features, outside the tape; None if it is the student."""
        terms = self.objective.terms_on(self.stage)
        if not terms and not self.teacher_metrics:
            return None
        if self.teacher is None:
            raise ValueError(
                "The Distiller has no teacher and the batch no stored targets: set "
                "`distiller.teacher = teacher`, or pass "
                "`y=keras_kd.pack_targets(labels, features)`."
            )
        if self.teacher.student_taps((OUTPUT,)):
            return None
        return self.teacher(x, teacher_taps(terms), labels=labels)

    def _build_state(self, stored):
        """Make the terms that stored targets shape, and all the optimizer's slots.

        A stage that trains a part of the variables must not be what the optimizer
        is made for.
        """
        if stored is not None and not all(term.built for term in self.terms):
            seen = self.student_features.spec(input_spec(self.student), training=True)
            build_terms(self.terms, seen, stored)
        if not self.stage.whole and not self.optimizer.built:
            self.optimizer.build(self.trainable_weights)

    def _parts(self, step, x, labels, y_pred, sample_weight):
        """The hard loss and the terms that are on."""
        terms = self.objective.terms_on(self.stage)
        if terms and step.teacher is None:
            step.teacher = self.teacher(x, teacher_taps(terms), step.student, labels)

        def supervised(weight):
            return self._hard_loss(labels, y_pred, weight, True)

        return self.objective(
            self.stage, step, supervised, labels, y_pred, sample_weight
        )

    def _hard_loss(self, labels, y_pred, sample_weight, training):
        weight = self.hard_loss_weight if training else None
        return hard_loss(self._compile_loss, labels, y_pred, sample_weight, weight)

    def _penalties(self, layer):
        """Regularisers and `add_loss`, at their own strength whatever the weights."""
        losses = [self._aggregate_additional_loss(loss) for loss in layer.losses]
        return sum(losses, ops.zeros(()))
