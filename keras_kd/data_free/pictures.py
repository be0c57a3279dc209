"""Images side by side in one file, for people to look at."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_kd.files import written_together
from keras_kd.validation import destination

EDGE = 1
"""Pixels between two images."""


def image_grid(images: Any, columns: int | None = None) -> np.ndarray:
    """Images as one picture, each stretched from its least value to its greatest.

    Args:
        images: array `(count, height, width, channels)`; of other than one or three
            channels the mean is shown.
        columns: int. Defaults to None: as many as make it square.

    Returns:
        uint8 array `(height, width, 1 or 3)`, white between the images.
    """
    images = np.asarray(images, "float32")
    if images.shape[-1] not in (1, 3):
        images = images.mean(-1, keepdims=True)
    count, high, wide, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    low = images.min((1, 2, 3), keepdims=True)
    images = (images - low) / np.maximum(
        images.max((1, 2, 3), keepdims=True) - low, 1e-6
    )
    size = rows * (high + EDGE) - EDGE, columns * (wide + EDGE) - EDGE
    grid = np.full((*size, channels), 255, "uint8")
    for place, image in enumerate(images):
        top, left = (
            (place // columns) * (high + EDGE),
            (place % columns) * (wide + EDGE),
        )
        grid[top : top + high, left : left + wide] = np.round(255 * image)
    return grid


def write_grid(
    path: str | os.PathLike[str], images: Any, scale: int = 1, overwrite: bool = False
) -> Path:
    """Write images side by side as a PNG file, whole or not at all.

    Args:
        path: path that ends in `.png`. Its folder is made.
        images: array `(count, height, width, channels)`.
        scale: int, file pixels to an image's pixel. Defaults to 1.
        overwrite: bool: replace a file that is there. Defaults to False.

    Returns:
        The path.

    Raises:
        ValueError: for another suffix.
        FileExistsError: where a file is there and `overwrite` is False.
    """
    place = destination("path", path, ".png", overwrite=overwrite)
    grid = image_grid(images).repeat(scale, 0).repeat(scale, 1)
    with written_together() as write:
        write(place, tf.io.encode_png(grid).numpy())
    return place
