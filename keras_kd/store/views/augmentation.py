"""Flips, crops, moves and colours, for all images of a batch at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from keras_kd.store.views import colour, counter_random, geometry
from keras_kd.store.views.views import AUGMENTATION, Views, each_image
from keras_kd.validation import non_negative, one_of, share

# A new use gets a new number, so that the others' draws stay as they are.
DRAWS = (
    "flip", "down", "right", "brightness", "contrast", "saturation",
    "shift_down", "shift_right", "rotate", "zoom",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Augmentation(Views):
    """Small random views of images, the same again for the same example and view.

    Each image is turned, scaled and shifted, cropped out of its padding and mirrored,
    then given another brightness, contrast and saturation. What is 0 costs nothing.

    Args:
        flip: bool, mirror half of the images left to right. Defaults to False.
        crop: int, the padding in pixels out of which a window of the image's size is
            cut. Defaults to 0.
        brightness: float below 1; 0.2 multiplies by 0.8 to 1.2. Defaults to 0.
        contrast: float below 1, likewise about the image's mean. Defaults to 0.
        saturation: float below 1, likewise about the grey image. Defaults to 0.
        shift: float, the largest move as a share of height and width, between
            pixels. Defaults to 0.
        rotate: float, the largest turn in degrees. Defaults to 0.
        zoom: float below 1: 0.1 scales by 0.9 to 1.1. Defaults to 0.
        fill: `"constant"` (zeros), `"nearest"` or `"reflect"`: what comes in at the
            border. Defaults to `"constant"`.
        limits: pair of floats between which the colours stay, or None. Defaults to
            None: 0 to 255 for whole numbers, no limits for others.

    Raises:
        ValueError: for a value out of range.

    Example:

    ```python
    augment = Augmentation(flip=True, crop=4, brightness=0.2)
    # label(teacher, (images, labels), "targets", views=8, augment=augment)
    # store.dataset((images, labels), augment=augment)
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528
    """

    flip: bool = False
    crop: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    fill: str = "constant"
    limits: tuple[float, float] | None = None

    trusted = True

    def __post_init__(self) -> None:
        if isinstance(self.crop, bool) or self.crop != int(
            non_negative("crop", self.crop)
        ):
            raise ValueError(
                f"`crop` must be a whole number of pixels. Received: crop={self.crop}."
            )
        for name in ("brightness", "contrast", "saturation", "zoom"):
            if share(name, getattr(self, name)) == 1:
                raise ValueError(f"`{name}` must be below 1. Received: {name}=1.")
        for name in ("shift", "rotate"):
            non_negative(name, getattr(self, name))
        one_of("fill", self.fill, geometry.FILLS)
        if self.limits is not None:
            low, high = self.limits
            if not low < high:
                raise ValueError(
                    "`limits` must be a pair (lowest, highest). "
                    f"Received: limits={self.limits}."
                )

    def draw(self, ids, view, seed):
        column = np.arange(len(DRAWS))
        ids, view = np.asarray(ids)[:, None], np.asarray(view)[:, None]
        return counter_random.uniform32(seed, AUGMENTATION, ids, view, column)

    def __call__(self, x, y, drawn, partner):
        return each_image(
            lambda images: self._views(images, drawn), x, "Augmentation"
        ), y

    def identity(self):
        fields = dataclasses.asdict(self)
        return {"augmentation": fields | {"limits": self.limits and [*self.limits]}}

    @classmethod
    def from_identity(cls, identity: Any) -> Augmentation:
        """The augmentation that `identity` told.

        Raises:
            ValueError: for the identity of other views.
        """
        if not isinstance(identity, dict) or set(identity) != {"augmentation"}:
            raise ValueError(f"These are not an Augmentation's views: {identity}.")
        fields = dict(identity["augmentation"])
        limits = fields.pop("limits", None)
        return cls(**fields, limits=limits and tuple(limits))

    def _views(self, images: Any, drawn: Any) -> Any:
        def around(name, centre, most):
            return centre + (2 * drawn[:, DRAWS.index(name)] - 1) * most

        if self.shift or self.rotate or self.zoom:
            pair = [around("shift_down", 0.0, self.shift)]
            pair += [around("shift_right", 0.0, self.shift)]
            moved = geometry.transformed(
                tf.cast(images, "float32"), tf.stack(pair, 1),
                around("rotate", 0.0, self.rotate), around("zoom", 1.0, self.zoom),
                self.fill,
            )  # fmt: skip
            images = _as(images.dtype, moved)
        if self.flip or self.crop:
            down, right = (
                tf.cast(
                    tf.floor(drawn[:, DRAWS.index(name)] * (2 * self.crop + 1)), "int32"
                )
                - self.crop
                for name in ("down", "right")
            )
            mirror = drawn[:, 0] < (0.5 if self.flip else 0.0)
            images = geometry.shifted(images, down, right, mirror, self.crop, self.fill)
        if not (self.brightness or self.contrast or self.saturation):
            return images
        views = tf.cast(images, "float32")
        if self.brightness:
            views = colour.brightened(views, around("brightness", 1.0, self.brightness))
        if self.contrast:
            views = colour.contrasted(views, around("contrast", 1.0, self.contrast))
        if self.saturation:
            views = colour.saturated(views, around("saturation", 1.0, self.saturation))
        if self.limits:
            views = tf.clip_by_value(views, *self.limits)
        return _as(images.dtype, views)


def _as(dtype: Any, views: Any) -> Any:
    """Float views in the images' own dtype; whole numbers are rounded and bounded."""
    if dtype.is_floating:
        return tf.cast(views, dtype)
    return tf.cast(tf.round(tf.clip_by_value(views, 0.0, 255.0)), dtype)
