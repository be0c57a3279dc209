"""Where a teacher looks: the attention map, what its channels add up to.

a(F) = vec(mean_c |F_c|^power) / ‖vec(mean_c |F_c|^power)‖₂

attention_transfer  code   mean over positions of (a(teacher) − a(student))²
                    paper  ‖a(teacher) − a(student)‖₂
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.feature.maps import check_maps, comparable_maps
from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import l2_normalize, root
from keras_kd.registration import register
from keras_kd.validation import number, one_of

ATTENTION_MODES = ("code", "paper")


def attention_map(x: Any, power: float = 2.0) -> Any:
    """A map's energy at each position, as one vector of length 1.

    Args:
        x: tensor `(batch, height, width, channels)`.
        power: float of 1 or more, the exponent of the magnitudes. Defaults to 2.

    Returns:
        Tensor `(batch, height · width)`; 0 for a map of zeros.
    """
    # Only directions count, so large maps are brought to 1 before the power.
    largest = ops.max(ops.abs(x), axis=(1, 2, 3), keepdims=True)
    x = x / ops.stop_gradient(ops.maximum(largest, 1.0))
    magnitudes = ops.square(x) if power == 2 else ops.power(ops.abs(x), power)
    energy = ops.mean(magnitudes, axis=-1)
    return l2_normalize(ops.reshape(energy, (ops.shape(energy)[0], -1)))


def attention_transfer(
    teacher: Any, student: Any, power: float = 2.0, mode: str = "code"
) -> Any:
    """The distance between two attention maps.

    `a(F)` is the mean over channels of `|F|^power`, flattened and divided by its
    Euclidean norm. Channels need not be equal in number; of different sizes, the
    larger map is average-pooled to the smaller one first, as the authors do.

    Args:
        teacher: tensor `(batch, height, width, channels)`.
        student: tensor `(batch, height, width, channels)`.
        power: float of 1 or more. Defaults to 2.
        mode: `"code"`, the mean of the squared difference, as in the authors' code;
            or `"paper"`, the Euclidean norm of the difference, as in the paper's
            equation 2 with its p = 2. Defaults to `"code"`.

    Returns:
        Tensor `(batch,)`.

    Raises:
        ValueError: where these are not maps of one batch, or the mode is unknown.

    Example:

    ```python
    maps = keras.random.normal((2, 8, 8, 16))
    attention_transfer(maps, -3.0 * maps[..., ::-1])  # [0., 0.]
    ```

    Reference:
        Zagoruyko, Komodakis. Paying More Attention to Attention. ICLR 2017.
        https://arxiv.org/abs/1612.03928
    """
    one_of("mode", mode, ATTENTION_MODES)
    teacher, student = comparable_maps("attention_transfer", teacher, student)
    gaps = ops.square(attention_map(teacher, power) - attention_map(student, power))
    return ops.mean(gaps, -1) if mode == "code" else root(ops.sum(gaps, -1))


@register
class AttentionTransfer(DistillationLoss):
    """The distance between the teacher's and the student's attention maps.

    Formula:
        a(F) = vec(mean_c |F_c|^power) / ‖vec(mean_c |F_c|^power)‖₂
        code:   mean over positions of (a(teacher) − a(student))²
        paper:  ‖a(teacher) − a(student)‖₂

    When to use:
        Between networks of one kind, at the ends of their stages; it transfers where
        the teacher looks, needs no adapter, and is blind to what the channels mean.
        Usual weight 1000. Between different kinds of network it is known to hurt:
        see `methods.attention_transfer`.

    The authors' code and the paper differ. `"code"` averages the squared difference
    over positions (weight 1000); `"paper"` takes the Euclidean norm, which the paper
    weighs by 1000 divided by the number of positions and the batch size, and halves.

    Args:
        power: float of 1 or more, the exponent of the magnitudes. Defaults to 2.
        mode: `"code"` or `"paper"`. Defaults to `"code"`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.AttentionTransfer()
    loss(teacher_map, adapted_student_map[:, ::2, ::2])  # a scalar
    ```

    Reference:
        Zagoruyko, Komodakis. Paying More Attention to Attention: Improving the
        Performance of Convolutional Neural Networks via Attention Transfer.
        ICLR 2017. https://arxiv.org/abs/1612.03928
    """

    compares = "relations"
    across_examples = False

    def __init__(self, power: float = 2.0, mode: str = "code", **kwargs: Any):
        super().__init__(**kwargs)
        self.power = number("power", power, minimum=1.0, inclusive=True)
        self.mode = one_of("mode", mode, ATTENTION_MODES)

    def check_shapes(self, teacher, student):
        check_maps(type(self).__name__, teacher, student, channels=False)

    def call(self, teacher, student):
        return attention_transfer(teacher, student, self.power, self.mode)

    def get_config(self):
        return {**super().get_config(), "power": self.power, "mode": self.mode}
