"""Do generated images look like training images to the teacher's BatchNorm?

batch_norm_statistics   Σ over layers of ‖mean(x) − μ‖₂ + ‖var(x) − σ²‖₂

μ, σ² are a layer's running statistics; mean and variance (biased) of what arrives at
the layer are those of the batch, per channel.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, for_each_example, root
from keras_kd.registration import register


def batch_norm_statistics(teacher: Any, student: Any) -> Any:
    """How far a batch's statistics are from those that a BatchNorm layer remembers.

    The gradient flows into the features, by which a generator or the images learn.

    Args:
        teacher: `(running mean, running variance)`, tensors `(channels,)`; or a list
            of such pairs, one per layer.
        student: tensor `(batch, ..., channels)`: what arrives at the teacher's layer
            of the generated images; or a list of them.

    Returns:
        Tensor `(batch,)`: the batch's value, the same for each example.

    Raises:
        ValueError: where the channels differ.

    Example:

    ```python
    features = keras.random.normal((16, 8, 8, 4))
    batch_norm_statistics((keras.ops.zeros(4), keras.ops.ones(4)), features)
    ```

    Reference:
        Yin, Molchanov, Alvarez, Li, Mallya, Hoiem, Jha, Kautz. Dreaming to Distill:
        Data-free Knowledge Transfer via DeepInversion. CVPR 2020.
        https://arxiv.org/abs/1912.08795
    """
    if isinstance(student, (list, tuple)):
        pairs = zip(teacher, student, strict=True)
        return sum(batch_norm_statistics(t, s) for t, s in pairs)
    if not isinstance(teacher, (list, tuple)) or len(teacher) != 2:
        raise ValueError(
            "batch_norm_statistics takes the pair (running mean, running variance) "
            f"as the teacher's side. Received: {type(teacher).__name__}."
        )
    *remembered, features = at_least_float32(*teacher, student)
    channels = tuple(features.shape[-1:])
    if len(features.shape) < 2 or any(
        len(x.shape) != 1
        or (None not in (x.shape[0], *channels) and x.shape != channels)
        for x in remembered
    ):
        raise ValueError(
            "batch_norm_statistics takes (channels,) statistics and features (batch, "
            f"..., channels). Received: teacher {tuple(remembered[0].shape)} and "
            f"{tuple(remembered[1].shape)}, student {tuple(features.shape)}."
        )
    axes = tuple(range(len(features.shape) - 1))
    mean = ops.mean(features, axis=axes)
    variance = ops.mean(ops.square(features - mean), axis=axes)
    apart = sum(
        root(ops.sum(ops.square(own - running)))
        for running, own in zip(remembered, (mean, variance), strict=True)
    )
    return for_each_example(apart, features)


@register
class BatchNormStatistics(DistillationLoss):
    """Generated images have the statistics that the teacher's BatchNorm remembers.

    Formula:
        Σ over layers of ‖mean(x) − μ‖₂ + ‖var(x) − σ²‖₂,  biased variance, per channel

    When to use:
        A data-free prior: keeps images (or a generator's) near those that the teacher
        was trained on, as its running statistics tell. Only for teachers with
        BatchNormalization, over large batches. Its gradient flows into the features.
        DeepInversion weighs it 0.01 on ImageNet.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.BatchNormStatistics()
    statistics = keras.ops.zeros(5), keras.ops.ones(5)
    loss(statistics, student_features)  # a scalar
    ```

    Reference:
        Yin, Molchanov, Alvarez, Li, Mallya, Hoiem, Jha, Kautz. Dreaming to Distill:
        Data-free Knowledge Transfer via DeepInversion. CVPR 2020.
        https://arxiv.org/abs/1912.08795
    """

    compares = "relations"
    trains_teacher_side = True

    def call(self, teacher, student):
        return batch_norm_statistics(teacher, student)
