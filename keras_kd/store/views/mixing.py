"""Two examples in one view: MixUp and CutMix, whose partners belong to the view.

MixUp    x = λ x₁ + (1 − λ) x₂                       λ ~ Beta(α, α)
CutMix   x = x₁ outside of a box, x₂ inside          λ = share outside
         y = λ y₁ + (1 − λ) y₂
"""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.views import counter_random
from keras_kd.store.views.augment import as_views
from keras_kd.store.views.views import MIXING, Views, each_image
from keras_kd.validation import positive, positive_int, share


class Mixing(Views):
    """The base of MixUp and CutMix: partners, λ, and labels.

    Args:
        alpha: positive float, of the Beta distribution of λ.
        num_classes: int, where labels are whole numbers: they become one-hot, then
            mixed. Defaults to None: labels are distributions over the classes, or
            there are none.
        augment: what is done to both examples first, as `label` takes it. Defaults
            to None.
        probability: float from 0 to 1, the share of examples that are mixed. Defaults
            to 1.

    Raises:
        ValueError: for a value out of range, or where `augment` mixes as well.
    """

    mixes = True

    def __init__(
        self,
        alpha: float,
        num_classes: int | None = None,
        augment: Any = None,
        probability: float = 1.0,
    ):
        self.alpha = positive("alpha", alpha)
        self.num_classes = (
            None if num_classes is None else positive_int("num_classes", num_classes)
        )
        self.augment = as_views(augment)
        self.probability = share("probability", probability)
        self.trusted = self.augment.trusted
        if self.augment.mixes:
            raise ValueError(
                f"{type(self).__name__} mixes two examples. Received an `augment` that "
                f"mixes already: {type(self.augment).__name__}."
            )

    def draw(self, ids, view, seed):
        own = counter_random.beta(self.alpha, seed, MIXING, ids, view)
        mixed = counter_random.uniform(seed, MIXING, ids, view, 0) < self.probability
        place = [counter_random.uniform32(seed, MIXING, ids, view, n) for n in (1, 2)]
        return {
            "first": self.augment.draw(ids, view, seed),
            "share": np.where(mixed, own, 1.0).astype("float32"),
            "place": np.stack(place, -1),
        }

    def __call__(self, x, y, drawn, partner):
        y = None if y is None else self._soft(y)
        x, y = self.augment(x, y, drawn["first"], None)
        other_x, other_y, theirs = partner
        other_y = None if other_y is None else self._soft(other_y)
        other_x, other_y = self.augment(other_x, other_y, theirs["first"], None)
        x, kept = self.mixed(x, other_x, drawn["share"], drawn["place"])
        if y is None:
            return x, None
        return x, keras.tree.map_structure(
            lambda a, b: _between(a, b, kept), y, other_y
        )

    @abc.abstractmethod
    def mixed(self, x: Any, other: Any, kept: Any, place: Any) -> tuple[Any, Any]:
        """The mixed examples, and the share of the first in each.

        Args:
            x, other: structures of tensors `(batch, …)`.
            kept: float tensor `(batch,)`, λ as drawn.
            place: float tensor `(batch, 2)`, from 0 to 1.
        """

    def weight(self, weight: Any, other: Any, drawn: Any) -> Any:
        """The sample weights of the views: mixed by λ as it was drawn."""
        return _between(weight, other, drawn["share"])

    def identity(self):
        return {
            type(self).__name__: [self.alpha, self.probability],
            "augment": self.augment.identity(),
        }

    def _soft(self, y):
        def soft(labels):
            if labels.dtype.is_floating:
                return labels
            if self.num_classes is None:
                raise ValueError(
                    f"{type(self).__name__} mixes labels as distributions over the "
                    "classes. Received whole numbers: pass `num_classes`, and train "
                    "with keras.losses.CategoricalCrossentropy."
                )
            if labels.shape.rank == 2 and labels.shape[1] == 1:
                labels = labels[:, 0]
            return tf.one_hot(labels, self.num_classes)

        return keras.tree.map_structure(soft, y)


class MixUp(Mixing):
    """Each view is a weighted mean of two examples: λ x₁ + (1 − λ) x₂.

    The partner is any example of the data, drawn for this example and view; both are
    augmented by their own draws before. The teacher sees the mixed view, and the
    labels are mixed by the same λ.

    Args: as `Mixing`; `alpha` defaults to 0.2.

    Raises:
        ValueError: for a value out of range, labels that cannot be mixed, or examples
            that are neither floats nor uint8.

    Example:

    ```python
    augment = MixUp(0.2, num_classes=5)
    # label(teacher, (images, labels), "targets", views=8, augment=augment)
    ```

    Reference:
        Zhang, Cissé, Dauphin, Lopez-Paz. mixup: Beyond Empirical Risk Minimization.
        ICLR 2018. https://arxiv.org/abs/1710.09412
    """

    def __init__(self, alpha=0.2, num_classes=None, augment=None, probability=1.0):
        super().__init__(alpha, num_classes, augment, probability)

    def mixed(self, x, other, kept, place):
        return keras.tree.map_structure(
            lambda a, b: _between(a, b, kept), x, other
        ), kept


class CutMix(Mixing):
    """Each view is an image with a box out of another: the box has the share 1 − λ.

    Where the border cuts the box, λ is what is left of the first image, in pixels; the
    labels are mixed by it. Partners and augmentation are as in `MixUp`.

    Args: as `Mixing`; `alpha` defaults to 1.

    Raises:
        ValueError: for a value out of range, labels that cannot be mixed, or examples
            that are no images.

    Example:

    ```python
    flips = keras.layers.RandomFlip("horizontal")
    augment = CutMix(1.0, num_classes=5, augment=flips)
    ```

    Reference:
        Yun, Han, Oh, Chun, Choe, Yoo. CutMix: Regularization Strategy to Train Strong
        Classifiers with Localizable Features. ICCV 2019.
        https://arxiv.org/abs/1905.04899
    """

    def __init__(self, alpha=1.0, num_classes=None, augment=None, probability=1.0):
        super().__init__(alpha, num_classes, augment, probability)

    def mixed(self, x, other, kept, place):
        images = [t for t in keras.tree.flatten(x) if len(t.shape) == 4]
        if len({tuple(image.shape[1:3]) for image in images}) > 1:
            raise ValueError(
                "CutMix cuts one box out of all images of an example. Received images "
                f"of the shapes {[tuple(image.shape[1:]) for image in images]}."
            )
        others = iter([t for t in keras.tree.flatten(other) if len(t.shape) == 4])
        boxes = []

        def pasted(image):
            boxes.append(_box(image, kept, place))
            return tf.where(boxes[-1][..., None], next(others), image)

        views = each_image(pasted, x, "CutMix")
        return views, 1.0 - tf.reduce_mean(tf.cast(boxes[0], "float32"), axis=(1, 2))


def _box(images: Any, kept: Any, place: Any) -> Any:
    """Bool tensor `(batch, height, width)`: whether a pixel is in the image's box."""
    size = tf.cast(tf.shape(images)[1:3], "float32")
    side = size * tf.sqrt(1.0 - kept)[:, None]
    centre = size * place
    first, last = tf.round(centre - side / 2), tf.round(centre + side / 2)

    def along(axis):
        at = tf.range(size[axis])[None]
        return (at >= first[:, axis, None]) & (at < last[:, axis, None])

    return along(0)[:, :, None] & along(1)[:, None, :]


def _between(a: Any, b: Any, kept: Any) -> Any:
    """λ a + (1 − λ) b, in the dtype of a."""
    if not (a.dtype.is_floating or a.dtype == tf.uint8):
        raise ValueError(
            "MixUp takes examples of floats or uint8, which have a mean. "
            f"Received: {a.dtype.name}."
        )
    kept = tf.reshape(kept, [-1] + [1] * (len(a.shape) - 1))
    mean = kept * tf.cast(a, "float32") + (1.0 - kept) * tf.cast(b, "float32")
    return tf.cast(mean if a.dtype.is_floating else tf.round(mean), a.dtype)
