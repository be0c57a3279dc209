"""The base of every distillation loss, and the reductions they share."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import keras
from keras import ops

from keras_kd.validation import same_shape


def at_least_float32(*tensors: Any) -> tuple:
    """The tensors in float32, or in float64 where they come so.

    Half precision has neither the range for `T² · KL` nor the digits for
    differences of features, whatever the models compute in.
    """
    tensors = tuple(ops.convert_to_tensor(x) for x in tensors)
    wide = any(keras.backend.standardize_dtype(x.dtype) == "float64" for x in tensors)
    return tuple(ops.cast(x, "float64" if wide else "float32") for x in tensors)


def mean_over_positions(values: Any, mask: Any = None) -> Any:
    """Each example's mean over its positions, leaving masked ones out.

    Args:
        values: tensor `(batch, ...)`, one value per position.
        mask: bool tensor of the same shape, True where a position counts. An
            example without any such position has the value 0.

    Returns:
        Tensor `(batch,)`.
    """
    axes = tuple(range(1, len(values.shape)))
    if not axes:
        return values
    if mask is None:
        return ops.mean(values, axis=axes)
    mask = ops.convert_to_tensor(mask)
    try:
        same_shape("A mask", mask.shape, values.shape)
    except ValueError:
        raise ValueError(
            "`mask` must have one entry per position. Received: mask "
            f"{tuple(mask.shape)}, positions {tuple(values.shape)}."
        ) from None
    counts = ops.cast(mask, values.dtype)
    kept = ops.where(ops.cast(mask, "bool"), values, ops.zeros_like(values))
    return ops.divide_no_nan(ops.sum(kept, axis=axes), ops.sum(counts, axis=axes))


def fitting_mask(mask: Any, values: Any) -> Any:
    """The mask, if it has a value's rank; None where it belongs to something else."""
    fits = mask is not None and len(mask.shape) == len(values.shape)
    return mask if fits else None


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

    Three class attributes tell the term how to feed it:

    - `compares`: `"features"` (an adapter brings the student's tensor to the
      teacher's shape), `"logits"` (equal shapes, no adapter) or `"relations"`
      (only the batch must agree).
    - `uses_labels`: `call` receives `{"teacher": …, "labels": …}` as teacher.
    - `takes_mask`: `call` also receives `mask`, the student's padding mask.

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
    uses_labels: ClassVar[bool] = False
    takes_mask: ClassVar[bool] = False

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

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None):
        """The reduced loss.

        Args:
            y_true: the teacher's tensor, or `{"teacher": …, "labels": …}` for a
                loss that uses labels.
            y_pred: the student's tensor.
            sample_weight: tensor `(batch,)`, or None.
            mask: bool tensor, True where a position counts. Defaults to the mask
                that Keras attached to the student's tensor.

        Returns:
            Scalar, or `(batch,)` with `reduction=None`.
        """
        if mask is None:
            mask = getattr(y_pred, "_keras_mask", None)
        masked = {"mask": mask} if self.takes_mask else {}
        y_true, y_pred = keras.tree.map_structure(
            lambda x: ops.convert_to_tensor(x, dtype=self.dtype), (y_true, y_pred)
        )
        with keras.name_scope(self.name):
            values = self.call(y_true, y_pred, **masked)
        reduce = _Reduction(self.name, self.reduction, self.dtype)
        return reduce(values, values, sample_weight)

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
