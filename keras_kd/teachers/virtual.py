"""A teacher made of the labels alone.

p^d_c = correct for the label's class, (1 − correct) / (classes − 1) for the others
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.losses.logit.labels import class_numbers, is_class
from keras_kd.registration import register
from keras_kd.taps import output_features, output_spec
from keras_kd.teachers.teacher import Teacher
from keras_kd.validation import positive, several_classes


@register
class VirtualTeacher(Teacher):
    """A teacher without a network: nearly sure of the label, and of nothing else.

    Its logits are `log p^d`, so that a temperature softens them as any teacher's, and
    every loss on logits may follow. It needs labels in each batch it teaches on.

    Args:
        correct: float between 0 and 1, the probability of the label's class. Defaults
            to 0.99.

    Raises:
        ValueError: where `correct` is out of its range. At a batch, where that has
            no labels.

    Example:

    ```python
    distiller = Distiller(
        VirtualTeacher(0.99), student, methods.teacher_free(), hard_loss_weight=0.9
    )
    distiller.compile("adam", loss)
    distiller.fit(images, labels, verbose=0)
    ```

    Reference:
        Yuan, Tay, Li, Wang, Feng. Revisiting Knowledge Distillation via Label
        Smoothing Regularization. CVPR 2020. https://arxiv.org/abs/1909.11723
    """

    name = "virtual"
    uses_labels = True
    saved = True

    def __init__(self, correct: float = 0.99):
        self.correct = positive("correct", correct)
        if self.correct >= 1.0:
            raise ValueError(
                "`correct` must be between 0 and 1: the other classes share the rest. "
                f"Received: correct={correct!r}."
            )
        self._outputs: Any = None

    def attach(self, student):
        self._outputs = output_spec(student)
        for logits in keras.tree.flatten(self._outputs):
            several_classes("VirtualTeacher", logits.shape)

    def features(self, x, taps, student=None, labels=None):
        if labels is None:
            raise ValueError("A VirtualTeacher teaches from labels: pass `y`.")
        if isinstance(self._outputs, dict):
            output: Any = {
                key: self._logits(labels[key], logits)
                for key, logits in self._outputs.items()
            }
        else:
            output = self._logits(labels, self._outputs)
        return output_features(output)

    def spec(self, x, taps, student=None):
        return output_features(self._outputs)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return {"correct": self.correct}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VirtualTeacher:
        return cls(**config)

    def _logits(self, labels, logits):
        numbers = class_numbers("VirtualTeacher", labels, logits)
        sure = math.log(self.correct)
        rest = math.log((1.0 - self.correct) / (logits.shape[-1] - 1))
        return ops.where(is_class(numbers, logits), sure, rest)
