"""Making images: a source that learns by priors, and a memory of what it made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.data_free.memory import ImageMemory
from keras_kd.data_free.priors import IMAGES, Prior
from keras_kd.data_free.sight import Sight, sight_of
from keras_kd.data_free.sources import ImageSource

ROUNDS = 8
"""Rounds of optimised images that the memory holds by default."""
PURPOSES = 5
LEARNING, START, KEPT, TAUGHT, SHOWN = range(PURPOSES)
"""What random numbers are for."""


class ImageMaker(keras.layers.Layer):
    """What a `DataFreeDistiller` makes images with.

    Random numbers follow from the seed and the number of steps, so that a training
    that goes on after a stop makes the same images.

    Args:
        source: an `ImageSource`.
        priors: list of `Prior`.
        memory: int, None for its default, or 0 where new images are drawn each time.
        batch_size: int.
        seed: int.
    """

    def __init__(
        self,
        source: ImageSource,
        priors: Sequence[Prior],
        memory: int | None,
        batch_size: int,
        seed: int,
    ):
        super().__init__(name="images")
        self.source = source
        self.priors = list(priors)
        # Here too, so that checkpoints keep what a callback set.
        self.prior_weights = [prior.weight for prior in self.priors]
        self.batch_size = batch_size
        self.seed = seed
        self.learned = counter("learned")
        self.memory = self._memory_of(memory)
        self.sight: Sight | None = None
        self.built = True

    @property
    def image_count(self) -> int:
        """How many images the source is asked for at once."""
        return self.source.count if self.source.starts_anew else self.batch_size

    def start(self, optimizer: Any) -> None:
        """Begin a round: anew from noise, where the source does so."""
        if self.source.starts_anew:
            self.source.start(self._seed(START, self.learned))
            forget(optimizer)

    def learn(self, optimizer: Any, student: keras.Model, epoch: Any) -> dict[str, Any]:
        """One step on the priors.

        Args:
            optimizer: of the source.
            student: in inference mode, where a prior compares.
            epoch: for schedules.

        Returns:
            Dict from the priors' names to their values, unweighted, and None to the
            total.
        """
        for weight in self.prior_weights:
            weight.follow(self.learned, epoch)
        trained = self.source.trainable_weights
        with tf.GradientTape() as tape:
            images = self._drawn(LEARNING, self.learned)
            values: dict = self.values(images, student, self.source.classes)
            total = sum(p.weight * values[p.name] for p in self.priors)
            scaled = optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, [v.value for v in trained])
        optimizer.apply(gradients, trained)
        self.learned.assign_add(1)
        return {**values, None: total}

    def values(
        self, images: Any, student: keras.Model, classes: Any = None
    ) -> dict[str, Any]:
        """The priors of a batch of images, unweighted; gradients flow through them."""
        if self.sight is None:
            raise ValueError(
                "The DataFreeDistiller has no teacher: set `distiller.teacher = "
                "teacher`."
            )
        seen, answer = {IMAGES: images, **self.sight(images)}, None
        if any(prior.wants_student for prior in self.priors):
            answer = student(images, training=False)
        return {p.name: p.value(seen, answer, classes) for p in self.priors}

    def keep(self) -> None:
        """End a round: write what the source makes now into the memory, if any."""
        if self.memory is not None:
            self.memory.write(self._drawn(KEPT, self.learned))

    def batch(self, step: Any) -> Any:
        """Images for a step of the student; no gradient flows into them."""
        if self.memory is not None:
            seed = self._seed(TAUGHT, step)
            return self.memory.draw(self.batch_size, seed)
        return ops.stop_gradient(self._drawn(TAUGHT, step))

    def shown(self, count: int) -> Any:
        """Images to look at: new ones, or the memory's latest."""
        if not self.source.starts_anew:
            seed = self._seed(SHOWN, self.learned)
            return self.source.draw(max(count, self.batch_size), seed)[:count]
        if not int(self.memory.filled):
            raise ValueError("There are no images yet: call `fit`, or `make_images`.")
        return self.memory.latest(count)

    def look(self, teacher: Any, student: keras.Model) -> None:
        """Check that all fits, and look at this teacher from now on."""
        self.sight = sight_of(teacher, student, self.source, self.priors)

    def _drawn(self, purpose, step):
        return self.source.draw(self.image_count, self._seed(purpose, step))

    def _seed(self, purpose, step):
        step = ops.cast(ops.convert_to_tensor(step), "int32")
        return ops.stack([PURPOSES * self.seed + purpose, step])

    def _memory_of(self, capacity):
        anew, least = self.source.starts_anew, self.image_count
        if capacity is None:
            capacity = ROUNDS * least if anew else 0
        if capacity == 0 and not anew:
            return None
        if not isinstance(capacity, int) or capacity < least:
            raise ValueError(
                f"`memory` must hold a round of images, {least} at least"
                f"{'' if anew else ', or be 0'}. Received: memory={capacity!r}."
            )
        return ImageMemory(capacity, self.source.image_shape)


def forget(optimizer: Any) -> None:
    """Bring an optimizer back to its beginning, its rate excepted."""
    for variable in optimizer.variables:
        if variable is not getattr(optimizer, "_learning_rate", None):
            variable.assign(ops.zeros_like(variable))


def counter(name: str) -> keras.Variable:
    """A number of steps, which checkpoints keep."""
    return keras.Variable(0, dtype="int32", trainable=False, autocast=False, name=name)
