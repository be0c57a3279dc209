"""Where the pixels of a batch of images go: each image by numbers of its own."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

FILLS = ("constant", "nearest", "reflect")


def shifted(images: Any, down: Any, right: Any, mirror: Any, most: int, fill: str):
    """Images mirrored where told, then moved by whole pixels; one gather for all.

    Args:
        images: tensor `(batch, height, width, channels)` of any dtype.
        down, right: int32 tensors `(batch,)`, from `-most` to `most`: how far the
            window moves over the image.
        mirror: bool tensor `(batch,)`.
        most: int, the largest move.
        fill: `"constant"` (zeros), `"nearest"` or `"reflect"`.

    Returns:
        Tensor of the images' shape and dtype.
    """
    batch, height, width = tf.unstack(tf.shape(images))[:3]
    columns = tf.range(width)[None]
    columns = tf.where(mirror[:, None], width - 1 - columns, columns) + right[:, None]
    rows = tf.range(height)[None] + down[:, None]
    source = images
    if most and fill == "constant":
        source = tf.pad(images, [(0, 0), (most, most), (most, most), (0, 0)])
        rows, columns = rows + most, columns + most
    elif most:
        rows, columns = _inside(rows, height, fill), _inside(columns, width, fill)
    tall, wide = tf.shape(source)[1], tf.shape(source)[2]
    lines = (tf.range(batch)[:, None] * tall + rows) * wide
    pixels = tf.reshape(source, (-1, images.shape[-1]))
    moved = tf.gather(pixels, lines[:, :, None] + columns[:, None, :])
    return tf.ensure_shape(moved, images.shape)


def transformed(
    images: Any, shift: Any, angle: Any, scale: Any, fill: str, mirror: Any = 1.0
) -> Any:
    """Images shifted, turned and scaled about their centre, with bilinear sampling.

    Args:
        images: float tensor `(batch, height, width, channels)`.
        shift: float tensor `(batch, 2)`, down and right, in shares of the size.
        angle: float tensor `(batch,)`, in degrees.
        scale: float tensor `(batch,)`; above 1 the picture grows.
        fill: as in `shifted`.
        mirror: float tensor `(batch,)`, −1 where left and right change places and 1
            elsewhere. Defaults to 1.

    Returns:
        Tensor of the images' shape and dtype.
    """
    size = tf.cast(tf.shape(images)[1:3], "float32")
    angle = angle * (math.pi / 180)
    scale = 1 / scale
    # Where in the image each pixel of the view lies.
    a, b = mirror * scale * tf.cos(angle), -mirror * scale * tf.sin(angle)
    c, d = scale * tf.sin(angle), scale * tf.cos(angle)
    middle_y, middle_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    x = middle_x - a * middle_x - b * middle_y + shift[:, 1] * size[1]
    y = middle_y - c * middle_x - d * middle_y + shift[:, 0] * size[0]
    zero = tf.zeros_like(a)
    views = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill.upper(),
    )
    return tf.ensure_shape(views, images.shape)


def _inside(places, size, fill):
    if fill == "reflect":
        places = tf.where(places < 0, -1 - places, places)
        places = tf.where(places >= size, 2 * size - 1 - places, places)
    return tf.clip_by_value(places, 0, size - 1)
