"""Neighbouring pixels of natural images are alike.

total_variation   anisotropic     Σ |x(h+1, w) − x(h, w)| + Σ |x(h, w+1) − x(h, w)|
                  deep_inversion  Σ over 4 directions of ‖x − x moved by one pixel‖₂

The first sums over an image, as `tf.image.total_variation`; the second takes its norms
over the whole batch, and both diagonals as directions too.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import absolute, at_least_float32, for_each_example, root
from keras_kd.registration import register
from keras_kd.validation import one_of

MODES = ("anisotropic", "deep_inversion")


def total_variation(images: Any, mode: str = "anisotropic") -> Any:
    """How much neighbouring pixels differ.

    Args:
        images: tensor `(batch, height, width, channels)`.
        mode: `"anisotropic"`, the sum over each image of absolute differences down
            and across; or `"deep_inversion"`, that paper's code: Euclidean norms over
            the batch, of four directions. Defaults to `"anisotropic"`.

    Returns:
        Tensor `(batch,)`; with `"deep_inversion"` the batch's value for each example.

    Raises:
        ValueError: where the images have another rank or the mode is unknown.

    Example:

    ```python
    total_variation(keras.ops.ones((1, 8, 8, 3)))  # [0.]
    ```

    Reference:
        Mahendran, Vedaldi. Understanding Deep Image Representations by Inverting
        Them. CVPR 2015. https://arxiv.org/abs/1412.0035
    """
    one_of("mode", mode, MODES)
    (images,) = at_least_float32(images)
    if len(images.shape) != 4:
        raise ValueError(
            "total_variation takes images (batch, height, width, channels). Received "
            f"the shape {tuple(images.shape)}."
        )
    down = images[:, 1:] - images[:, :-1]
    across = images[:, :, 1:] - images[:, :, :-1]
    if mode == "anisotropic":
        return sum(ops.sum(absolute(x), axis=(1, 2, 3)) for x in (down, across))
    falling = images[:, 1:, 1:] - images[:, :-1, :-1]
    rising = images[:, 1:, :-1] - images[:, :-1, 1:]
    norms = (root(ops.sum(ops.square(x))) for x in (down, across, falling, rising))
    return for_each_example(sum(norms), images)


@register
class TotalVariation(DistillationLoss):
    """Generated images are smooth.

    Formula:
        anisotropic: Σ |x(h+1, w) − x(h, w)| + Σ |x(h, w+1) − x(h, w)|
        deep_inversion: Σ over 4 directions of ‖x − x moved by one pixel‖₂ over the batch

    When to use:
        A data-free prior on images that are optimized themselves, against high
        frequencies. It looks at its second argument alone, through which the gradient
        flows; the first is ignored. DeepInversion weighs its own form 1e-4 on
        ImageNet.

    Args:
        mode: `"anisotropic"` or `"deep_inversion"`. Defaults to `"anisotropic"`.
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.TotalVariation("deep_inversion")
    loss(images, images)  # a scalar
    ```

    Reference:
        Mahendran, Vedaldi. Understanding Deep Image Representations by Inverting
        Them. CVPR 2015. https://arxiv.org/abs/1412.0035
    """  # noqa: E501

    compares = "relations"
    trains_teacher_side = True

    def __init__(self, mode: str = "anisotropic", **kwargs: Any):
        super().__init__(**kwargs)
        self.mode = one_of("mode", mode, MODES)

    @property
    def looks_across(self):
        return self.mode == "deep_inversion"

    def call(self, teacher, student):
        return total_variation(student, self.mode)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
