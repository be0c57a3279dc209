"""A temperature that learns to make the task harder."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.registration import register
from keras_kd.schedules import Ramp
from keras_kd.types import Number
from keras_kd.validation import non_negative, number, positive


@register
class LearnedTemperature(keras.layers.Layer):
    """A distillation temperature trained against the student.

    `T = minimum + (maximum − minimum) · sigmoid(θ)`. One scalar θ is trained along
    with the student, through gradient reversal: forward nothing changes, backward the
    gradient is multiplied by −strength. So T moves to where the loss is larger, while
    the student makes it smaller; as the strength grows, the task becomes harder.

    Give it to a term whose loss takes a temperature:
    `DistillationTerm(KLDistillation(), temperature=LearnedTemperature())`, or
    `methods.curriculum_temperature()`.

    Args:
        initial: float between `minimum` and `maximum`, the first temperature.
            Defaults to None: θ = 1 as in the authors' code, which is 15.6 between 1
            and 21.
        minimum: positive float, below every temperature. Defaults to 1.
        maximum: float, above every temperature. Defaults to 21.
        strength: non-negative float, or a schedule, of the reversed gradient;
            `layer.strength` is a variable. Defaults to None:
            `Ramp(0, 1, epochs=10, curve="cosine")`. The authors' epochs count from 1,
            so that their first one is its second.

    Call arguments:
        teacher, student: tensors. The temperature is one for all of them: they are
            not looked at.

    Output shape:
        `()`, a scalar of the layer's variable dtype.

    Example:

    ```python
    temperature = keras_kd.layers.LearnedTemperature(initial=4.0)
    temperature(teacher_logits, student_logits)  # 4.0
    ```

    Reference:
        Li, Li, Yang, Zhao, Song, Luo, Li, Yang. Curriculum Temperature for Knowledge
        Distillation. AAAI 2023. https://arxiv.org/abs/2211.16231
    """

    def __init__(
        self,
        initial: float | None = None,
        minimum: float = 1.0,
        maximum: float = 21.0,
        strength: Number | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.minimum = positive("minimum", minimum)
        self.maximum = number("maximum", maximum, minimum=self.minimum, inclusive=False)
        self.initial = initial
        self.strength = Hyperparameter(
            Ramp(0.0, 1.0, epochs=10, curve="cosine") if strength is None else strength,
            "strength",
            non_negative,
        )
        self._start = self._logit(initial)
        self.supports_masking = True

    def build(self, teacher_shape=None, student_shape=None):
        """Make θ; the shapes do not matter."""
        self.theta = self.add_weight(
            name="theta",
            shape=(),
            initializer=keras.initializers.Constant(self._start),
            autocast=False,
        )

    def call(self, teacher, student):
        theta = ops.convert_to_tensor(self.theta)
        strength = ops.cast(self.strength, theta.dtype)
        # θ in value, −strength in gradient.
        reversed_theta = ops.stop_gradient((1.0 + strength) * theta) - strength * theta
        reach = self.maximum - self.minimum
        return self.minimum + reach * ops.sigmoid(reversed_theta)

    def compute_mask(self, inputs, previous_mask):
        """None: the temperature is no sequence."""
        return None

    def compute_output_shape(self, teacher_shape=None, student_shape=None):
        return ()

    def get_config(self):
        return {
            **super().get_config(),
            "initial": self.initial,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "strength": self.strength.get_config(),
        }

    def _logit(self, initial):
        """The θ whose temperature is `initial`."""
        if initial is None:
            return 1.0
        share = (initial - self.minimum) / (self.maximum - self.minimum)
        if not 0.0 < share < 1.0:
            raise ValueError(
                "`initial` must be between minimum and maximum. Received: "
                f"initial={initial}, minimum={self.minimum}, maximum={self.maximum}."
            )
        return math.log(share / (1.0 - share))
