"""What a teacher sees on the way: losses over features of equal shape.

hint  mse     mean (t − s)²
      l1      mean |t − s|
      l2      mean over positions of ‖t − s‖₂ over channels
      cosine  mean over positions of 1 − cos(t, s) over channels
      angle   mse + angle_weight · cosine
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import (
    absolute,
    comparable,
    l2_normalize,
    mean_over_positions,
    root,
)
from keras_kd.registration import register
from keras_kd.validation import non_negative, one_of

HINT_METRICS = ("mse", "l1", "l2", "cosine", "angle")


def _squared(teacher, student):
    return ops.mean(ops.square(teacher - student), axis=-1)


def _absolute(teacher, student):
    return ops.mean(absolute(teacher - student), axis=-1)


def _euclidean(teacher, student):
    return root(ops.sum(ops.square(teacher - student), axis=-1))


def _cosine(teacher, student):
    return 1.0 - ops.sum(l2_normalize(teacher) * l2_normalize(student), axis=-1)


def hint(
    teacher: Any,
    student: Any,
    metric: str = "mse",
    angle_weight: float = 1.0,
    mask: Any = None,
) -> Any:
    """The distance between a teacher's feature and a student's, position by position.

    Args:
        teacher: tensor `(batch, ..., channels)`: a vector, a sequence or a map.
        student: tensor of the same shape.
        metric: `"mse"`, `"l1"`, `"l2"` (Euclidean over channels), `"cosine"` (one
            minus the cosine over channels) or `"angle"` (`mse` plus `angle_weight`
            times `cosine`). Defaults to `"mse"`.
        angle_weight: float, the cosine's weight in `"angle"`. Defaults to 1.
        mask: bool tensor of the shape without channels, True where a position
            counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Raises:
        ValueError: where the shapes differ or the metric is unknown.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    hint(maps, 0.9 * maps, metric="cosine")  # [0., 0.]
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550
    """
    one_of("metric", metric, HINT_METRICS)
    teacher, student = comparable("hint", teacher, student)
    if metric == "angle":
        values = _squared(teacher, student) + angle_weight * _cosine(teacher, student)
    else:
        distance = {
            "mse": _squared,
            "l1": _absolute,
            "l2": _euclidean,
            "cosine": _cosine,
        }
        values = distance[metric](teacher, student)
    return mean_over_positions(values, mask)


@register
class Hint(DistillationLoss):
    """The distance between a teacher's feature and the student's adapted one.

    Formula:
        mse     mean (t − s)²
        l1      mean |t − s|
        l2      mean over positions of ‖t − s‖₂ over channels
        cosine  mean over positions of 1 − cos(t, s) over channels
        angle   mse + angle_weight · cosine

    When to use:
        It transfers what a teacher computes on the way, where both models keep maps
        of like sizes and meaning; a 1×1 regressor (`FeatureAdapter`) learns along.
        Weight 100 on `"mse"` beside the KL. Between unlike architectures it can end
        below the plain student; `"cosine"` forgets the scale that differs there.

    Args:
        metric: `"mse"`, `"l1"`, `"l2"`, `"cosine"` or `"angle"`. Defaults to
            `"mse"`.
        angle_weight: non-negative float, the cosine's weight in `"angle"`.
            Defaults to 1.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.Hint("cosine")
    loss(teacher_map, adapted_student_map)  # a scalar
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550
    """

    compares = "features"
    takes_mask = True

    def __init__(self, metric: str = "mse", angle_weight: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.metric = one_of("metric", metric, HINT_METRICS)
        self.angle_weight = non_negative("angle_weight", angle_weight)

    def call(self, teacher, student, mask=None):
        return hint(teacher, student, self.metric, self.angle_weight, mask)

    def get_config(self):
        return {
            **super().get_config(),
            "metric": self.metric,
            "angle_weight": self.angle_weight,
        }
