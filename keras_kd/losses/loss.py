"""The base of every distillation loss."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import keras
from keras import ops

from keras_kd.losses.numerics import without_gradient
from keras_kd.validation import same_shape


class _Reduction(keras.losses.Loss):
    """Keras's own reduction of values at hand: sample weights, replicas, `sum`."""

    def call(self, y_true, y_pred):
        return y_pred


class DistillationLoss(keras.losses.Loss):
    """Base class: compares what a teacher and a student left at a pair of taps.

    A subclass stores its arguments and gives `call(teacher, student)`, which
    returns one value per example; sample weights, reduction and the scaling under
    several replicas are Keras's own. Whatever the models' precision, values are
    computed in float32.

    The teacher's side is only ever a target: no gradient flows into it.

    Class attributes tell the term how to feed it:

    - `compares`: `"features"` (an adapter brings the student's tensor to the
      teacher's shape), `"logits"` (equal shapes, no adapter) or `"relations"`
      (only the batch must agree).
    - `across_examples`: whether an example's value depends on others of its batch,
      which several replicas then gather. None: where it compares relations.
    - `uses_labels`: `call` receives `{"teacher": …, "labels": …}` as teacher.
    - `takes_mask`: `call` also receives `mask`, the student's padding mask.
    - `takes_temperature`: `call` also receives `temperature`, where a layer learns it.
    - `trains_teacher_side`: what arrives as the teacher's side was projected by a
      layer that learns, so gradients flow into it (and stop at the teacher).

    Args:
        name: str. The name of the log entry. Defaults to the class's name in
            snake case.
        reduction: as in `keras.losses.Loss`. Defaults to
            `"sum_over_batch_size"`.
        dtype: the dtype of the computation. Defaults to `"float32"`.

    Example:

    ```python
    class MeanGap(keras_kd.losses.DistillationLoss):
        def call(self, teacher, student):
            return keras.ops.mean(keras.ops.abs(teacher - student), axis=-1)

    MeanGap()(teacher_features, student_features)
    ```
    """

    compares: ClassVar[Literal["features", "logits", "relations"]] = "features"
    across_examples: ClassVar[bool | None] = None
    uses_labels: ClassVar[bool] = False
    takes_mask: ClassVar[bool] = False
    takes_temperature: ClassVar[bool] = False
    trains_teacher_side: ClassVar[bool] = False

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = "float32",
    ):
        super().__init__(
            name=name or snake_case(type(self).__name__),
            reduction=reduction,
            dtype=dtype,
        )

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None, temperature=None):
        """The reduced loss.

        Args:
            y_true: the teacher's tensor, or `{"teacher": …, "labels": …}` for a
                loss that uses labels.
            y_pred: the student's tensor.
            sample_weight: tensor `(batch,)`, or None.
            mask: bool tensor, True where a position counts. Defaults to the mask
                that Keras attached to the student's tensor.
            temperature: scalar tensor in place of the loss's own, for a loss that
                takes one, or None.

        Returns:
            Scalar, or `(batch,)` with `reduction=None`.
        """
        if mask is None:
            mask = getattr(y_pred, "_keras_mask", None)
        more = {"mask": mask} if self.takes_mask else {}
        if temperature is not None:
            more["temperature"] = temperature
        y_true, y_pred = keras.tree.map_structure(self._tensor, (y_true, y_pred))
        if not self.trains_teacher_side:
            y_true = without_gradient(y_true)
        with keras.name_scope(self.name):
            values = self.call(y_true, y_pred, **more)
        reduce = _Reduction(self.name, self.reduction, self.dtype)
        return reduce(values, values, sample_weight)

    @property
    def looks_across(self) -> bool:
        """Whether an example's value depends on others of its batch."""
        told = self.across_examples
        return self.compares == "relations" if told is None else told

    def _tensor(self, x):
        # A loss that looks at one side may be given None for the other.
        return None if x is None else ops.convert_to_tensor(x, dtype=self.dtype)

    def check_shapes(self, teacher: tuple, student: tuple) -> None:
        """Refuse static shapes that this loss cannot compare.

        Raises:
            ValueError: where the shapes differ (`"relations"`: the batches).
        """
        if self.compares != "relations":
            same_shape(type(self).__name__, teacher, student)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


def snake_case(name: str) -> str:
    """`"KLDistillation"` as `"kl_distillation"`."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
