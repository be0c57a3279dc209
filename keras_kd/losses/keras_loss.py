"""A loss of Keras's own, or a plain function, as a distillation loss."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import fitting_mask, mean_over_positions
from keras_kd.registration import register
from keras_kd.validation import same_shape


@register
class KerasLoss(DistillationLoss):
    """Wraps a Keras loss, its name, or a function `(teacher, student)`.

    Formula:
        mean over positions of loss(t, s)

    When to use:
        For a comparison that Keras or a function of yours has, and this catalogue has
        not. Terms wrap such losses by themselves: `DistillationTerm("mse", ...)`.
        There is no usual weight: begin with one that brings it to the hard loss's
        size.

    A built-in loss on a map returns a value per position, and a per-example
    weight would then be laid on the wrong axis; here each example gets the mean
    over its positions first.

    Args:
        loss: `keras.losses.Loss`, its name such as `"mse"`, or a function of
            the teacher's and the student's tensor.
        name: str. Defaults to the loss's own.
        reduction: defaults to the loss's own.
        dtype: as in `DistillationLoss`.

    Example:

    ```python
    KerasLoss("mse")(teacher_features, student_features)
    ```
    """

    takes_mask = True

    def __init__(self, loss: Any, name: str | None = None, **kwargs: Any):
        self.loss = keras.losses.get(loss)
        if not callable(self.loss):
            raise TypeError(
                "`loss` must be a keras.losses.Loss, its name, or a function of "
                f"(teacher, student). Received: loss={loss!r}."
            )
        inner = self.loss
        if inner is keras.losses.kl_divergence or isinstance(
            inner, keras.losses.KLDivergence
        ):
            raise ValueError(
                "keras.losses.KLDivergence takes probabilities, and is wrong on "
                "logits without a word: use "
                "keras_kd.losses.KLDistillation(temperature=...)."
            )
        if isinstance(inner, keras.losses.Loss):
            kwargs.setdefault("reduction", inner.reduction)
        own_name: Any = getattr(inner, "name", getattr(inner, "__name__", "loss"))
        super().__init__(name=name or own_name.strip("<>"), **kwargs)

    def call(self, teacher, student, mask=None):
        if not isinstance(student, (list, tuple, dict)):
            # Keras would broadcast (batch, 1) against (batch, n) without a word.
            same_shape(self.name, teacher.shape, student.shape)
        of_values = getattr(self.loss, "call", self.loss)
        values = of_values(teacher, student)
        if len(values.shape) == 0:
            raise ValueError(
                f"`{self.name}` must return one value per example, (batch,) or "
                "(batch, ...). Received a scalar: leave the mean over the batch to "
                "the reduction."
            )
        return mean_over_positions(values, fitting_mask(mask, values))

    def get_config(self):
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        loss = keras.saving.deserialize_keras_object(config.pop("loss"))
        return cls(loss, **config)


def as_distillation_loss(loss: Any) -> DistillationLoss:
    """A distillation loss as it is; anything else that Keras takes, wrapped."""
    return loss if isinstance(loss, DistillationLoss) else KerasLoss(loss)
