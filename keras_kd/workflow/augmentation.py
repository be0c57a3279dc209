"""Small random views of an image, the same again from the same seed."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from keras_kd.store.views.geometry import FILLS, transformed
from keras_kd.validation import non_negative, one_of


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Shifts, turns, scales and mirrors each image of a batch at random.

    A pure function of images and a seed, so that two trainings of one seed see the
    same views, and teacher and student always the same one.

    Args:
        shift: float, the largest shift as a share of height and width. Defaults
            to 0.1.
        rotate: float, the largest turn in degrees. Defaults to 0.
        zoom: float, the largest change of scale: 0.1 is from 0.9 to 1.1. Defaults
            to 0.
        flip: bool, mirror half of the images left to right. Defaults to False.
        fill: `"constant"` (black), `"nearest"` or `"reflect"`: what comes in at the
            border. Defaults to `"constant"`.

    Raises:
        ValueError: for a negative or unknown value.

    Example:

    ```python
    augment = Augmentation(shift=0.1, rotate=10)
    views = augment(images, seed=(0, 1))  # of the images' shape
    ```
    """

    shift: float = 0.1
    rotate: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    fill: str = "constant"

    def __post_init__(self) -> None:
        for name in ("shift", "rotate", "zoom"):
            non_negative(name, getattr(self, name))
        one_of("fill", self.fill, FILLS)

    def __call__(self, images: Any, seed: Any) -> Any:
        """Augmented images.

        Args:
            images: float tensor `(batch, height, width, channels)`.
            seed: two integers; equal ones give equal images.

        Returns:
            Tensor of the images' shape.
        """
        images = tf.convert_to_tensor(images)
        batch = tf.shape(images)[0]
        draws = tf.random.stateless_uniform((5, batch), tf.cast(seed, "int32"), -1, 1)
        return transformed(
            images,
            shift=tf.stack([draws[3] * self.shift, draws[2] * self.shift], axis=1),
            angle=draws[0] * self.rotate,
            scale=1 + draws[1] * self.zoom,
            fill=self.fill,
            mirror=tf.sign(draws[4]) if self.flip else tf.ones((batch,)),
        )

    def __str__(self) -> str:
        words = [f"shift up to {self.shift:.0%}"] if self.shift else []
        words += [f"turn up to {self.rotate:g}°"] if self.rotate else []
        words += [f"zoom up to {self.zoom:.0%}"] if self.zoom else []
        words += ["mirror"] if self.flip else []
        return ", ".join(words) or "none"
