"""Old and new classes, each judged among their own kind.

−log softmax(z_G)_y      G = the old classes if y is one of them, else the new
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.losses.logit.labels import class_numbers, cross_entropy, is_class
from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class SeparatedSoftmax(keras.losses.Loss):
    """Cross-entropy among the classes that came with the label's own.

    A student that learns new classes sees few images of the old ones, or none. The
    plain cross-entropy would push the old classes' logits down on every image; here
    they are left to the old student, which teaches by `methods.without_forgetting`.

    Args:
        old_classes: positive int: the first so many classes are old.
        name, reduction, dtype: as in `keras.losses.Loss`.

    Example:

    ```python
    loss = keras_kd.regimes.SeparatedSoftmax(old_classes=2)
    loss([3], keras.ops.array([[9.0, 9.0, 0.0, 0.0]]))  # log 2: 9 is no rival
    ```

    Reference:
        Ahn, Kwak, Lim, Bang, Kim, Moon. SS-IL: Separated Softmax for Incremental
        Learning. ICCV 2021. https://arxiv.org/abs/2003.13947
    """

    def __init__(
        self, old_classes: int, name: str = "separated_softmax", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.old_classes = positive_int("old_classes", old_classes)

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        classes = y_pred.shape[-1]
        if classes <= self.old_classes:
            raise ValueError(
                f"SeparatedSoftmax takes more than old_classes={self.old_classes} "
                f"logits. Received the shape {tuple(y_pred.shape)}."
            )
        numbers = class_numbers("SeparatedSoftmax", y_true, y_pred)
        is_old = ops.arange(classes) < self.old_classes
        of_old = ops.expand_dims(numbers < self.old_classes, -1)
        rivals = is_old == of_old
        among = ops.where(rivals, y_pred, ops.full_like(y_pred, -math.inf))
        return cross_entropy(among, is_class(numbers, y_pred))

    def get_config(self):
        return {**super().get_config(), "old_classes": self.old_classes}
