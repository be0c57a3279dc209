"""A generator to begin with."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_kd.validation import positive_int


def default_generator(
    image_shape: Any,
    units: int = 64,
    width: int = 64,
    value_range: Any = (0.0, 1.0),
    name: str = "generator",
) -> keras.Model:
    """A small convolutional generator, as in DAFL: two doublings of a dense map.

    Args:
        image_shape: `(height, width, channels)`.
        units: int, the length of the random vectors. Defaults to 64.
        width: int, the channels of its maps. Defaults to 64.
        value_range: `(low, high)`, the teacher's pixels. Defaults to `(0, 1)`.
        name: str. Defaults to `"generator"`.

    Returns:
        A `keras.Model`: `(batch, units)` to `(batch, height, width, channels)`.

    Raises:
        ValueError: where `image_shape` has other than three positive sizes.

    Example:

    ```python
    generator = keras_kd.data_free.default_generator((8, 8, 1))
    generator(keras.random.normal((4, 64))).shape  # (4, 8, 8, 1)
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """
    shape = tuple(image_shape)
    if len(shape) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels). Received: "
            f"image_shape={image_shape!r}."
        )
    high, wide, channels = (positive_int("image_shape", size) for size in shape)
    small = -(-high // 4), -(-wide // 4)
    inputs = keras.Input((positive_int("units", units),), name="noise")
    x = layers.Dense(small[0] * small[1] * width)(inputs)
    x = layers.Reshape((*small, width))(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    for filters in (width, max(width // 2, 1)):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    extra = 4 * small[0] - high, 4 * small[1] - wide
    if any(extra):
        x = layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x)
    x = layers.Conv2D(channels, 3, padding="same", activation="sigmoid")(x)
    low, top = (float(v) for v in value_range)
    images = layers.Rescaling(top - low, low, name="images")(x)
    return keras.Model(inputs, images, name=name)
