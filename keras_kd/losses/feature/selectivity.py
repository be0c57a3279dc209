"""What each channel responds to: the distribution of a map's channels.

    neuron_selectivity  mean k(x_i, x_j) + mean k(y_i, y_j) − 2 mean k(x_i, y_j),
                        k(a, b) = ⟨a, b⟩²

x_i are the teacher's channels and y_i the student's, each one's map flattened and
divided by its Euclidean norm: the squared maximum mean discrepancy of both sets.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.maps import by_position, check_maps, comparable_maps
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import l2_normalize
from keras_kd.registration import register


def neuron_selectivity(teacher: Any, student: Any) -> Any:
    """The discrepancy of two sets of channels under the kernel ⟨x, y⟩².

    Args:
        teacher: tensor `(batch, height, width, channels)`.
        student: tensor `(batch, height, width, channels)`; channels may differ in
            number, and of different sizes the larger map is average-pooled.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where these are not maps of one batch.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    neuron_selectivity(maps, keras.ops.tile(maps, (1, 1, 1, 2)))  # [0., 0.]
    ```

    Reference:
        Huang, Wang. Like What You Like: Knowledge Distill via Neuron Selectivity
        Transfer. 2017. https://arxiv.org/abs/1707.01219
    """
    maps = comparable_maps("neuron_selectivity", teacher, student)
    teacher, student = (l2_normalize(by_position(x), axis=1) for x in maps)
    positions, channels = teacher.shape[1], min(teacher.shape[-1], student.shape[-1])
    if positions is not None and positions <= channels:
        # k is the inner product of the outer products x xᵀ: the same value from two
        # small tensors (positions, positions).
        gaps = _mean_outer_product(teacher) - _mean_outer_product(student)
        return ops.sum(ops.square(gaps), axis=(1, 2))
    own = _mean_kernel(teacher, teacher) + _mean_kernel(student, student)
    return own - 2.0 * _mean_kernel(teacher, student)


def _mean_outer_product(x):
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) / x.shape[-1]


def _mean_kernel(x, y):
    gram = ops.matmul(ops.transpose(x, (0, 2, 1)), y)
    return ops.mean(ops.square(gram), axis=(1, 2))


@register
class NeuronSelectivity(DistillationLoss):
    """The discrepancy between the teacher's and the student's sets of channels.

    Formula:
        mean k(x_i, x_j) + mean k(y_i, y_j) − 2 mean k(x_i, y_j),  k(a, b) = ⟨a, b⟩²
        x_i, y_i: the teacher's and the student's channels, of length 1 over H·W

    When to use:
        At the ends of stages, with any numbers of channels and no adapter; it
        transfers which patterns the channels respond to, whatever their order.
        Usual weight 50. It helps some foreign students and ruins others: see
        `methods.nst`.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.NeuronSelectivity()
    loss(teacher_map, adapted_student_map[..., :3])  # a scalar
    ```

    Reference:
        Huang, Wang. Like What You Like: Knowledge Distill via Neuron Selectivity
        Transfer. 2017. https://arxiv.org/abs/1707.01219
    """

    compares = "relations"
    across_examples = False

    def check_shapes(self, teacher, student):
        check_maps(type(self).__name__, teacher, student, channels=False)

    def call(self, teacher, student):
        return neuron_selectivity(teacher, student)
