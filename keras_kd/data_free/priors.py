"""What images made without data should be like, and where that is looked for."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.losses import (
    BatchNormStatistics,
    DistillationLoss,
    TotalVariation,
)
from keras_kd.registration import register
from keras_kd.types import OUTPUT, Number, Tap
from keras_kd.validation import non_negative

IMAGES = "images"
"""Where the images themselves are looked at."""
STATISTICS = "statistics"
"""Where what arrives at the teacher's BatchNorm layers is looked at."""


@register
class Prior:
    """A loss that images learn by, the place it looks at, and how much it counts.

    What it is given follows from the loss:

    - `TotalVariation`: the images.
    - `BatchNormStatistics`: what arrives at the teacher's BatchNorm layers, beside
      what they remember.
    - `ClassConfidence`, `ClassBalance`, `ActivationNorm`: the teacher's feature.
    - `Adversarial`, or any loss that compares: the teacher's feature and the
      student's output.
    - a Keras loss: the class that each image is to show (`OptimisedImages` knows), and
      the teacher's output.

    Args:
        loss: a `DistillationLoss` whose gradient flows into what it looks at
            (`trains_teacher_side`), a Keras loss, or its name.
        at: the teacher's tap, `"images"` or `"statistics"`. Defaults to None: as above,
            a feature being the output.
        weight: non-negative float, or a schedule of the step or of the epoch. Defaults
            to 1.
        name: str, the entry in the logs. Defaults to the loss's name.

    Raises:
        TypeError: where the loss is none, or no gradient flows through it.

    Example:

    ```python
    Prior(keras_kd.losses.ActivationNorm(), at="embedding", weight=0.1)
    ```
    """

    def __init__(
        self,
        loss: Any,
        at: Tap | None = None,
        weight: Number = 1.0,
        name: str | None = None,
    ):
        if isinstance(loss, dict):
            loss = keras.saving.deserialize_keras_object(loss)
        if isinstance(loss, str):
            loss = keras.losses.get({"class_name": loss, "config": {}})
        distils = isinstance(loss, DistillationLoss)
        if not isinstance(loss, keras.losses.Loss) or (
            distils and not loss.trains_teacher_side
        ):
            raise TypeError(
                "A prior is a Keras loss, or a DistillationLoss whose gradient flows "
                "into what it looks at (`trains_teacher_side`), such as "
                f"losses.ClassConfidence(). Received: {loss!r}."
            )
        self.loss = loss
        self.at = at or _place(loss)
        self.weight = Hyperparameter(weight, "weight", non_negative)
        self.name = name or loss.name

    @property
    def wants_classes(self) -> bool:
        """Whether it needs to know which class each image is to show."""
        return not isinstance(self.loss, DistillationLoss)

    @property
    def wants_student(self) -> bool:
        """Whether it compares the teacher with the student."""
        return not self.wants_classes and self.loss.compares != "relations"

    @property
    def taps(self) -> tuple[Tap, ...]:
        """What it reads from the teacher."""
        return () if self.at in (IMAGES, STATISTICS) else (self.at,)

    def value(self, seen: dict[str, Any], student: Any, classes: Any) -> Any:
        """The unweighted value.

        Args:
            seen: what stands at each place: tensors, or at `"statistics"` the pair of
                what is remembered and what arrives.
            student: the student's output of the images, or None.
            classes: int tensor `(batch,)`, or None.

        Returns:
            Scalar.
        """
        if self.wants_classes:
            return self.loss(classes, seen[self.at])
        if self.at == STATISTICS:
            return self.loss(*seen[STATISTICS])
        other = student if self.wants_student else seen[self.at]
        return self.loss(seen[self.at], other)

    def get_config(self) -> dict[str, Any]:
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "at": self.at,
            "weight": self.weight.get_config(),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Prior:
        return cls(**config)


def as_prior(prior: Any) -> Prior:
    """A prior as it is; a loss as a prior at its own place."""
    return prior if isinstance(prior, Prior) else Prior(prior)


def _place(loss):
    if isinstance(loss, TotalVariation):
        return IMAGES
    return STATISTICS if isinstance(loss, BatchNormStatistics) else OUTPUT
