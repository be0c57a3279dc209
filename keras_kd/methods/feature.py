"""Methods that transfer what the teacher sees on the way, map by map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_kd.layers import FeatureAdapter, adapter_for
from keras_kd.losses import Hint
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap


def fitnets(
    taps: Mapping[Tap, Tap], weight: Number = 100.0, metric: str = "mse"
) -> list[DistillationTerm]:
    """Hints: the student's feature maps follow the teacher's through a regressor.

    Each pair gets a 1×1 convolution with batch normalization and ReLU, as in the
    authors' code, so tap the teacher after an activation. Vectors and tokens get
    the adapter of `layers.adapter_for`. FitNets trains hints alone first; together
    with `hinton()` they train in one stage. Known to help little, or to hurt,
    between different kinds of network, whose maps have no common geometry.

    Args:
        taps: `{student tap: teacher tap}`.
        weight: non-negative float or schedule, for each pair. Defaults to 100.
        metric: of `Hint`. Defaults to `"mse"`.

    Returns:
        One term per pair, named `"hint_<student tap>"`.

    Example:

    ```python
    terms = methods.fitnets({"block_2": "conv3_block4_out"}) + methods.hinton()
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550
    """
    return [
        DistillationTerm(
            Hint(metric), student, teacher, adapter=_regressor, weight=weight
        )
        for student, teacher in taps.items()
    ]


def _regressor(student_shape: tuple, teacher_shape: tuple) -> Any:
    if len(student_shape) == len(teacher_shape) == 4:
        size = teacher_shape[1:3]
        return FeatureAdapter(
            teacher_shape[-1], None if None in size else size, dtype="float32"
        )
    return adapter_for(student_shape, teacher_shape, "float32")
