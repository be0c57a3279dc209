"""How a teacher solves a step: the flow from one of its maps to a later one.

G(F) = mean over positions of bottom · topᵀ            (channels × channels)

flow_of_solution  mean over all elements of (G(teacher) − G(student))²
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.maps import at_one_size, by_position, check_maps
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, without_gradient
from keras_kd.registration import register


def flow_of_solution(teacher: Any, student: Any) -> Any:
    """The mean squared difference of two flow matrices.

    The flow of a pair of maps is the mean over positions of the products of their
    channels; within a pair the larger map is average-pooled to the smaller one.

    Args:
        teacher: list `[bottom, top]` of tensors `(batch, height, width, channels)`.
        student: list of the same form; each map has as many channels as its
            counterpart, and any size.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where these are not pairs of maps with as many channels.

    Example:

    ```python
    bottom = keras.random.normal((2, 8, 8, 16))
    top = keras.random.normal((2, 4, 4, 32))
    flow_of_solution([bottom, top], [-bottom, -top])  # [0., 0.]
    ```

    Reference:
        Yim, Joo, Bae, Kim. A Gift from Knowledge Distillation: Fast Optimization,
        Network Minimization and Transfer Learning. CVPR 2017.
    """
    _refuse_other_than_pairs(teacher, student)
    teacher = without_gradient(at_least_float32(*teacher))
    student = at_least_float32(*student)
    for t, s in zip(teacher, student, strict=True):
        check_maps("flow_of_solution", t.shape, s.shape, channels=True)
    return ops.mean(ops.square(_flow(*teacher) - _flow(*student)), axis=(1, 2))


def _flow(bottom, top):
    bottom, top = (by_position(x) for x in at_one_size(bottom, top))
    positions = ops.cast(ops.shape(top)[1], top.dtype)
    return ops.matmul(ops.transpose(bottom, (0, 2, 1)), top) / positions


def _refuse_other_than_pairs(teacher, student):
    for side, maps in (("teacher", teacher), ("student", student)):
        if not isinstance(maps, (list, tuple)) or len(maps) != 2:
            count = len(maps) if isinstance(maps, (list, tuple)) else "one tensor"
            raise ValueError(
                "flow_of_solution compares pairs of maps [bottom, top]. "
                f"Received: {side} of {count}."
            )


@register
class FlowOfSolution(DistillationLoss):
    """The difference of the flows between two maps of the teacher and of the student.

    Formula:
        G(bottom, top) = (1 / H·W) Σ_positions bottom · topᵀ
        mean over all elements of (G(teacher) − G(student))²

    When to use:
        Between networks of one kind, over the two ends of a stage, with lists of two
        taps on both sides of the term (`methods.fsp`). It transfers how a stage
        changes its features. Usual weight 50. Known to gain little over no teacher.

    The paper sums over the elements and halves; this is the mean, as in the code of
    the published comparison (Tian et al., ICLR 2020), whose weight 50 is.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.FlowOfSolution()
    pooled = keras.ops.average_pool(teacher_map, 2)
    loss([teacher_map, pooled], [adapted_student_map, pooled])  # a scalar
    ```

    Reference:
        Yim, Joo, Bae, Kim. A Gift from Knowledge Distillation: Fast Optimization,
        Network Minimization and Transfer Learning. CVPR 2017.
        https://openaccess.thecvf.com/content_cvpr_2017/html/Yim_A_Gift_From_CVPR_2017_paper.html
    """

    compares = "features"

    def call(self, teacher, student):
        return flow_of_solution(teacher, student)
