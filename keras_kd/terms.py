"""A term: where to look in both models, how to meet, what to compare, how much it
counts. Losses and layers know nothing of each other; here they are joined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.hyperparameters import Hyperparameter, hyperparameters_of
from keras_kd.layers import ParallelAdapters, adapter_for
from keras_kd.layers.parallel_adapters import call_layer
from keras_kd.losses.keras_loss import KerasLoss, as_distillation_loss
from keras_kd.losses.numerics import fitting_mask, mean_over_positions
from keras_kd.registration import register
from keras_kd.taps import is_output, output_features
from keras_kd.types import OUTPUT, Number, Taps
from keras_kd.validation import non_negative

AUTO = "auto"
LAYERS = ("adapter", "teacher_adapter", "memory", "temperature")
"""What a term may hold that has weights or memory."""


@register
class DistillationTerm(keras.layers.Layer):
    """One comparison of teacher and student within a distillation.

    Args:
        loss: `DistillationLoss`, or a Keras loss, its name, or a function
            `(teacher, student)`, which are wrapped.
        student: the student's tap, or a list of them for a loss over several
            features. Defaults to `"output"`.
        teacher: the teacher's. Defaults to `"output"`.
        adapter: a layer that brings the student's feature to the teacher's shape;
            `"auto"` lets `layers.adapter_for` choose by shape where the loss
            compares features (a Keras loss on both outputs compares predictions,
            and gets none; of lists of taps each pair gets its own); a function
            `(student_shape, teacher_shape)` that returns a layer; or None.
            Defaults to `"auto"`.
        weight: non-negative float, or a schedule: of the optimizer's step, or of
            the epoch (`keras_kd.schedules`). `term.weight` is a variable. Defaults
            to 1.
        name: str, the entry in the logs. Defaults to the loss's name, with the
            student's tap where that is not the output.
        teacher_adapter: a layer over the teacher's feature, or a function that
            makes it, as `adapter`. It learns with the student, the teacher does
            not. Defaults to None.
        memory: a layer that sees both sides, such as `layers.MemoryBank`, called
            as `memory(teacher, student, labels=…, index=…, training=…)`; what it
            returns, `(teacher, student)`, goes to the loss. Defaults to None.
        temperature: a layer such as `layers.LearnedTemperature`, called as
            `temperature(teacher, student)`, whose scalar takes the place of the
            loss's own. Defaults to None.

    Example:

    ```python
    term = DistillationTerm(
        Hint(), student="block_2", teacher="conv4_block6_out", weight=100.0
    )
    term.weight.assign(50.0)
    ```
    """

    def __init__(
        self,
        loss: Any,
        student: Taps = OUTPUT,
        teacher: Taps = OUTPUT,
        adapter: Any = AUTO,
        weight: Number = 1.0,
        name: str | None = None,
        teacher_adapter: Any = None,
        memory: keras.layers.Layer | None = None,
        temperature: keras.layers.Layer | None = None,
        dtype: Any = "float32",
        **kwargs: Any,
    ):
        loss = as_distillation_loss(loss)
        super().__init__(
            name=name or default_name(loss.name, student), dtype=dtype, **kwargs
        )
        self.supports_masking = True
        self.loss = loss
        self.student = checked_taps("student", student)
        self.teacher = checked_taps("teacher", teacher)
        self.adapter = checked_adapter("adapter", adapter)
        self.teacher_adapter = checked_adapter("teacher_adapter", teacher_adapter)
        self.memory = checked_layer("memory", memory)
        self.temperature = checked_layer("temperature", temperature)
        if temperature is not None and not loss.takes_temperature:
            raise ValueError(
                f"`temperature` is a layer for losses that take one, and "
                f"{type(loss).__name__} does not. Received: {temperature!r}."
            )
        self.weight = Hyperparameter(weight, "weight", non_negative)
        # Held here too, so that checkpoints keep what a callback set.
        self.hyperparameters = [
            self.weight,
            *hyperparameters_of(loss, self.temperature, self.memory),
        ]

    def build(self, student_shape, teacher_shape):
        """Make the adapters that the shapes ask for, and check that they can meet.

        Raises:
            ValueError: where the tensors cannot be compared.
        """
        self._refuse_structures(student_shape, teacher_shape)
        if is_factory(self.teacher_adapter):
            self.teacher_adapter = self.teacher_adapter(student_shape, teacher_shape)
        _build(self.teacher_adapter, teacher_shape)
        seen = _shape_after(self.teacher_adapter, teacher_shape)
        if self.adapter == AUTO:
            self.adapter = self._fitting_adapter(student_shape, seen)
        elif is_factory(self.adapter):
            self.adapter = self.adapter(student_shape, seen)
        _build(self.adapter, student_shape)
        for layer in (self.memory, self.temperature):
            _build(layer, seen, _shape_after(self.adapter, student_shape))
        self.check_shapes(student_shape, teacher_shape)

    def check_shapes(self, student_shape, teacher_shape):
        """Refuse features of static shapes that the loss cannot compare.

        Raises:
            ValueError: with both shapes, as the loss would see them.
        """
        self._refuse_structures(student_shape, teacher_shape)
        student_shape = _shape_after(self.adapter, student_shape)
        teacher_shape = _shape_after(self.teacher_adapter, teacher_shape)
        several = _is_structure(student_shape) or _is_structure(teacher_shape)
        if several or self.memory is not None:
            return  # a loss over several features knows what it wants
        try:
            self.loss.check_shapes(tuple(teacher_shape), tuple(student_shape))
        except ValueError as error:
            raise ValueError(f"Term {self.name!r} cannot compare: {error}") from None

    def call(
        self,
        student,
        teacher,
        labels=None,
        sample_weight=None,
        index=None,
        training=False,
    ) -> Any:
        """The unweighted value of the term.

        Args:
            student: the student's feature at the term's tap, or a list of them.
            teacher: the teacher's. No gradient flows into it.
            labels: the batch's labels, for a loss that uses them.
            sample_weight: tensor `(batch,)`, or `(batch, ...)` whose mean over the
                positions counts, or a structure of them in the form of the outputs.
            index: the examples' places in the dataset, for a memory.
            training: bool, handed to the adapter.

        Returns:
            Scalar.
        """
        teacher = keras.tree.map_structure(ops.stop_gradient, teacher)
        student = call_layer(self.adapter, student, training)
        teacher = call_layer(self.teacher_adapter, teacher, training)
        mask = getattr(student, "_keras_mask", None)
        more = {}
        if self.temperature is not None:
            more["temperature"] = self.temperature(teacher, student)
        if self.memory is not None:
            teacher, student = self.memory(
                teacher,
                student,
                labels=part_of(labels, self.student),
                index=index,
                training=training,
            )
        if self.loss.uses_labels:
            teacher = {"teacher": teacher, "labels": self._own_labels(labels)}
        weight = self._own_weight(sample_weight, mask)
        return self.loss(teacher, student, sample_weight=weight, **more)

    def compute_mask(self, inputs, previous_mask):
        """None: padding is counted in the value, which is a scalar."""
        return None

    def get_config(self):
        layers = {key: getattr(self, key) for key in LAYERS}
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "student": self.student,
            "teacher": self.teacher,
            "weight": self.weight.get_config(),
            **{
                key: layer
                if layer is None or layer == AUTO
                else keras.saving.serialize_keras_object(layer)
                for key, layer in layers.items()
            },
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for key in ("loss", *LAYERS):
            if isinstance(config[key], dict):
                config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)

    def _fitting_adapter(self, student_shape, teacher_shape):
        """What `"auto"` means: nothing where predictions or relations are compared."""
        if self.loss.compares != "features":
            return None
        if isinstance(self.student, str) and isinstance(self.teacher, str):
            predictions = is_output(self.student) and is_output(self.teacher)
            if predictions and isinstance(self.loss, KerasLoss):
                return None
            return adapter_for(student_shape, teacher_shape, self.dtype_policy)
        if len(student_shape) != len(teacher_shape):
            return None
        pairs = zip(student_shape, teacher_shape, strict=True)
        each = [adapter_for(s, t, self.dtype_policy) for s, t in pairs]
        return ParallelAdapters(each, dtype=self.dtype_policy) if any(each) else None

    def _refuse_structures(self, student_shape, teacher_shape):
        sides = (self.student, student_shape), (self.teacher, teacher_shape)
        for tap, shape in sides:
            if isinstance(tap, str) and _is_structure(shape):
                parts = [key for key in output_features(shape) if key != OUTPUT]
                raise ValueError(
                    f"Term {self.name!r} reads the tap {tap!r}, which is a structure: "
                    f"name one of its parts, {parts}."
                )

    def _own_labels(self, labels):
        if labels is None:
            raise ValueError(
                f"Term {self.name!r} uses labels, and the batch has none: pass `y`."
            )
        return part_of(labels, self.student)

    def _own_weight(self, sample_weight, mask):
        if sample_weight is None:
            return None
        own = part_of(sample_weight, self.student)
        parts = [w for w in keras.tree.flatten(own) if w is not None]
        per_example = [
            mean_over_positions(w, _mask_of_positions(mask, w))
            for w in (ops.cast(w, self.loss.dtype) for w in parts)
        ]
        return sum(per_example) / len(per_example) if per_example else None


def as_term(term: Any) -> DistillationTerm:
    """A term as it is; a loss as a term on both outputs."""
    return term if isinstance(term, DistillationTerm) else DistillationTerm(term)


def default_name(loss_name: str, student: Taps) -> str:
    """`"hint_block_2"`: the loss, and the student's tap if it is an inner one."""
    if student == OUTPUT or not isinstance(student, (str, list, tuple)):
        return loss_name
    taps = [student] if isinstance(student, str) else student
    return re.sub(r"\W+", "_", "_".join([loss_name, *taps]))


def checked_taps(name: str, taps: Any) -> Taps:
    """A tap, or a non-empty list of taps."""
    if isinstance(taps, str) and taps:
        return taps
    if isinstance(taps, Sequence) and taps and all(isinstance(t, str) for t in taps):
        return list(taps)
    raise TypeError(
        f"`{name}` must be a tap, such as 'output' or 'backbone/block_2', or a list "
        f"of taps. Received: {name}={taps!r}."
    )


def checked_adapter(name: str, adapter: Any) -> Any:
    """A layer, `"auto"`, a function that makes a layer, or None."""
    automatic = name == "adapter" and adapter == AUTO
    if adapter is None or automatic or callable(adapter):
        return adapter
    choices = "'auto', " if name == "adapter" else ""
    raise TypeError(
        f"`{name}` must be a layer, {choices}a function (student_shape, "
        f"teacher_shape) -> layer, or None. Received: {name}={adapter!r}."
    )


def checked_layer(name: str, layer: Any) -> Any:
    """A layer, or None."""
    if layer is None or isinstance(layer, keras.layers.Layer):
        return layer
    raise TypeError(f"`{name}` must be a layer or None. Received: {name}={layer!r}.")


def is_factory(adapter: Any) -> bool:
    """Whether an adapter is a function that still has to make the layer."""
    return callable(adapter) and not isinstance(adapter, keras.layers.Layer)


def part_of(structure: Any, taps: Taps) -> Any:
    """The part of labels or sample weights that belongs to an output's tap."""
    if isinstance(taps, str) and is_output(taps) and keras.tree.is_nested(structure):
        return output_features(structure).get(taps, structure)
    return structure


def _is_structure(shape):
    """Whether this is several shapes, and not one."""
    return isinstance(shape, dict) or any(isinstance(x, (tuple, list)) for x in shape)


def _mask_of_positions(mask, weight):
    """The mask, where the weight has an entry per position; `(batch, 1)` has not."""
    mask = fitting_mask(mask, weight)
    single = all(size == 1 for size in weight.shape[1:])
    return None if single else mask


def _build(layer, *shapes):
    if layer is not None and not layer.built:
        layer.build(*shapes)


def _shape_after(layer, shape):
    return shape if layer is None else layer.compute_output_shape(shape)
