"""Where images come from: a generator, or images that are optimised themselves."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.registration import register
from keras_kd.taps import input_spec
from keras_kd.validation import positive_int


class ImageSource(keras.layers.Layer):
    """What makes images and learns to make better ones.

    A subclass gives `draw`, and `start` where it begins anew in each round.
    """

    starts_anew = False
    """Whether each round begins with `start`."""
    image_shape: Any = None
    """`(height, width, channels)` of what it makes."""
    classes: Any = None
    """The class that each image of `draw` is to show, int `(count,)`, or None."""

    def prepare(self, image_shape: tuple, classes: int) -> None:
        """Get to know what the models take and say, once.

        Args:
            image_shape: `(height, width, channels)`, None where any size is taken.
            classes: int, the teacher's.
        """
        raise NotImplementedError

    def start(self, seed: Any) -> None:
        """Forget what was made, and begin with noise."""

    def draw(self, count: int, seed: Any) -> Any:
        """Images, through which gradients flow into `trainable_weights`.

        Args:
            count: int.
            seed: int tensor `(2,)`, as stateless operations take it.
        """
        raise NotImplementedError


@register
class GeneratedImages(ImageSource):
    """Images that a model makes of random vectors.

    Args:
        generator: a built `keras.Model`: `(batch, units)` to images.

    Raises:
        ValueError: where it takes something else.
    """

    def __init__(self, generator: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(generator, dict):
            generator = keras.saving.deserialize_keras_object(generator)
        self.generator = generator
        shapes = [tuple(x.shape) for x in keras.tree.flatten(input_spec(generator))]
        if len(shapes) != 1 or len(shapes[0]) != 2 or not shapes[0][1]:
            raise ValueError(
                "The generator must take random vectors (batch, units). Received: "
                f"{generator.name!r}, which takes {_one(shapes)}."
            )
        self.units = shapes[0][1]
        made = generator.compute_output_shape((None, self.units))
        self.image_shape = tuple(made[1:])
        self.built = True

    def prepare(self, image_shape, classes):
        made = self.image_shape
        if None in made or not _fits(made, image_shape):
            raise ValueError(
                f"Generator {self.generator.name!r} makes images {made}, and the "
                f"student takes {image_shape}: build it with "
                "data_free.default_generator, or end it in that shape."
            )

    def draw(self, count, seed):
        noise = tf.random.stateless_normal((count, self.units), seed)
        return self.generator(noise, training=True)

    def get_config(self):
        generator = keras.saving.serialize_keras_object(self.generator)
        return {**super().get_config(), "generator": generator}


@register
class OptimisedImages(ImageSource):
    """Images that are themselves what learns, begun anew from noise in each round.

    They are `low + (high − low) · sigmoid(u)`, so that each value stays in its range,
    and `u` learns. Image i is to show the class `i mod classes`.

    Args:
        count: int, how many are optimised together. Defaults to 256.
        value_range: `(low, high)`, the teacher's pixels. Defaults to `(0, 1)`.
        jitter: int. In each step the images are moved by up to so many pixels down and
            across, all of them alike, what leaves at one side entering at the other.
            Defaults to 0.
        image_shape: `(height, width, channels)`. Defaults to None: the student's.

    Raises:
        ValueError: where a range is empty, or the student takes images of any size and
            no `image_shape` is given.

    Example:

    ```python
    DataFreeDistiller(teacher, student, OptimisedImages(200), generator_steps=100)
    ```

    Reference:
        Yin, Molchanov, Alvarez, Li, Mallya, Hoiem, Jha, Kautz. Dreaming to Distill:
        Data-free Knowledge Transfer via DeepInversion. CVPR 2020.
        https://arxiv.org/abs/1912.08795. There the pixels are clipped to their range.
    """

    starts_anew = True

    def __init__(
        self,
        count: int = 256,
        value_range: Any = (0.0, 1.0),
        jitter: int = 0,
        image_shape: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.count = positive_int("count", count)
        self.value_range = tuple(float(v) for v in value_range)
        if len(self.value_range) != 2 or self.value_range[0] >= self.value_range[1]:
            raise ValueError(
                "`value_range` must be a pair (low, high), low below high. Received: "
                f"value_range={value_range!r}."
            )
        self.jitter = int(jitter)
        if self.jitter < 0:
            raise ValueError(
                f"`jitter` must be 0 pixels or more. Received: jitter={jitter!r}."
            )
        self.raw: Any = None
        self.image_shape = None if image_shape is None else tuple(image_shape)

    def prepare(self, image_shape, classes):
        shape = self.image_shape or tuple(image_shape)
        if None in shape:
            raise ValueError(
                f"The student takes images {shape}, of any size: pass "
                "OptimisedImages(image_shape=(height, width, channels))."
            )
        if not _fits(shape, image_shape):
            raise ValueError(
                f"`image_shape` of OptimisedImages must be the student's, {image_shape}"
                f". Received: image_shape={shape}."
            )
        self.image_shape = shape
        self.classes = ops.arange(self.count, dtype="int32") % classes
        if self.raw is None:
            self.raw = self.add_weight(
                name="raw", shape=(self.count, *shape), initializer="zeros"
            )
            self.built = True

    def start(self, seed):
        self.raw.assign(tf.random.stateless_normal(self.raw.shape, seed))

    def draw(self, count, seed):
        low, high = self.value_range
        images = low + (high - low) * ops.sigmoid(self.raw)
        if not self.jitter:
            return images
        reach = self.jitter
        by = tf.random.stateless_uniform((2,), seed, -reach, reach + 1, "int32")
        return tf.roll(images, by, (1, 2))

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "value_range": self.value_range,
            "jitter": self.jitter,
            "image_shape": self.image_shape,
        }


def as_source(generator: Any) -> ImageSource:
    """A source as it is; a model as one that makes images of random vectors.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(generator, ImageSource):
        return generator
    if isinstance(generator, keras.Model):
        return GeneratedImages(generator)
    raise TypeError(
        "`generator` must be a keras.Model from random vectors to images, or "
        f"OptimisedImages(...). Received: {generator!r}."
    )


def _fits(made, taken):
    return len(made) == len(taken) and all(
        a == b or b is None for a, b in zip(made, taken, strict=True)
    )


def _one(shapes):
    return shapes[0] if len(shapes) == 1 else shapes
