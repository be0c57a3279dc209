"""The images made so far, which the student goes on learning from."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.registration import register
from keras_kd.validation import positive_int


@register
class ImageMemory(keras.layers.Layer):
    """A ring of the latest `capacity` images.

    It is saved with the model that holds it, so that a training goes on with the same
    images after a resume.

    Args:
        capacity: int.
        image_shape: `(height, width, channels)`.
        dtype: of the images. Defaults to `"float32"`.

    Example:

    ```python
    memory = keras_kd.data_free.ImageMemory(64, (8, 8, 1))
    memory.write(keras.ops.ones((16, 8, 8, 1)))
    memory.draw(4, seed=(0, 1)).shape  # (4, 8, 8, 1)
    ```

    Reference:
        Fang, Song, Wang, Shen, Wang, Song. Contrastive Model Inversion for Data-Free
        Knowledge Distillation. IJCAI 2021. https://arxiv.org/abs/2105.08584. Only its
        memory is here: there, images are also told apart from those it holds.
    """

    def __init__(self, capacity: int, image_shape: Any, dtype: Any = "float32", **kw):
        super().__init__(dtype=dtype, **kw)
        self.capacity = positive_int("capacity", capacity)
        self.image_shape = tuple(image_shape)
        self.images = self.add_weight(
            name="images",
            shape=(self.capacity, *self.image_shape),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.written = self.add_weight(
            name="written",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def write(self, images: Any) -> None:
        """Keep images, in the place of the oldest.

        Args:
            images: tensor `(count, height, width, channels)`, of `capacity` at most.
        """
        count = ops.shape(images)[0]
        places = (self.written + ops.arange(count, dtype="int32")) % self.capacity
        images = ops.cast(images, self.images.dtype)
        kept = ops.scatter_update(self.images, places[:, None], images)
        self.images.assign(kept)
        self.written.assign_add(ops.cast(count, "int32"))

    @property
    def filled(self) -> Any:
        """How many images there are."""
        return ops.minimum(ops.convert_to_tensor(self.written), self.capacity)

    def draw(self, count: int, seed: Any) -> Any:
        """Images drawn with replacement, all alike.

        Args:
            count: int.
            seed: int tensor `(2,)`, as stateless operations take it.

        Returns:
            Tensor `(count, height, width, channels)`.
        """
        places = tf.random.stateless_uniform((count,), seed, 0, self.filled, "int32")
        return ops.take(self.images, places, axis=0)

    def latest(self, count: int) -> Any:
        """The newest images there are, `count` at most, the newest last."""
        count = min(count, int(self.filled))
        places = (int(self.written) - count + ops.arange(count)) % self.capacity
        return ops.take(self.images, places, axis=0)

    def get_config(self):
        return {
            **super().get_config(),
            "capacity": self.capacity,
            "image_shape": self.image_shape,
        }
