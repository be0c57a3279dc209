"""Brightness, contrast and saturation of a batch, each image by factors of its own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue are, after ITU-R BT.601."""


def brightened(images: Any, factor: Any) -> Any:
    """`factor · x`.

    Args:
        images: float tensor `(batch, height, width, channels)`.
        factor: float tensor `(batch,)`.

    Returns:
        Tensor of the images' shape.
    """
    return images * _by_image(factor)


def contrasted(images: Any, factor: Any) -> Any:
    """`m + factor · (x − m)`, m the image's mean brightness; arguments as above."""
    mean = tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True)
    return mean + _by_image(factor) * (images - mean)


def saturated(images: Any, factor: Any) -> Any:
    """`g + factor · (x − g)`, g the grey image; images of one channel stay."""
    if images.shape[-1] != len(LUMA):
        return images
    g = grey(images)
    return g + _by_image(factor) * (images - g)


def grey(images: Any) -> Any:
    """The brightness of each pixel, `(batch, height, width, 1)`."""
    if images.shape[-1] != len(LUMA):
        return tf.reduce_mean(images, axis=-1, keepdims=True)
    return sum(
        share * images[..., channel : channel + 1] for channel, share in enumerate(LUMA)
    )


def _by_image(factor):
    return tf.reshape(factor, (-1, 1, 1, 1))
