"""The demonstration's networks: teacher and student differ in their widths.

Both give logits. Their batch normalization forgets with momentum 0.9: Keras's 0.99
wants thousands of steps, and these trainings are short.
"""

from __future__ import annotations

import keras
from keras import layers


def block(x, filters: int, strides: int = 1):
    """3×3 convolution, batch normalization, ReLU."""
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)


def network(name: str, image_shape, classes: int, blocks, dropout: float = 0.0):
    """Blocks, mean over positions, logits.

    Args:
        name: str.
        image_shape: `(height, width, channels)`.
        classes: int.
        blocks: pairs `(filters, strides)`, one per block.
        dropout: float, before the logits. Defaults to 0.

    Returns:
        A `keras.Model`.
    """
    inputs = keras.Input(image_shape, name="image")
    x = inputs
    for filters, strides in blocks:
        x = block(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)
