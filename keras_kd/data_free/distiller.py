"""Distillation without a single image: the teacher says what its images are like.

    a round     generator_steps ×   images ← images − η ∇ Σ weight_i · prior_i(images)
                student_steps   ×   a Distiller's step on images made so far

The teacher is looked through in the first and answers in the second; it stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_kd.data_free.maker import ImageMaker, counter
from keras_kd.data_free.pictures import write_grid
from keras_kd.data_free.priors import as_prior
from keras_kd.data_free.recipes import default_priors
from keras_kd.data_free.sight import sight_of
from keras_kd.data_free.sources import as_source
from keras_kd.distiller import Distiller
from keras_kd.methods import hinton
from keras_kd.registration import register
from keras_kd.validation import positive_int, unique_names

GENERATOR_LOSS = "generator_loss"


@register
class DataFreeDistiller(Distiller):
    """Trains a student from a teacher alone, on images that are made meanwhile.

    A generator, or the images themselves, learn by priors to be what the teacher knows;
    the student learns from the teacher's answers on them. `fit` takes no data. In each
    round the images learn for `generator_steps`, are kept in the memory where there is
    one, and the student learns for `student_steps`.

    The teacher and its statistics stay as they are, and so does the student while the
    images learn. `evaluate` and `validation_data` take real images, as ever.

    Args:
        teacher: a built `keras.Model` or a `FrozenTeacher`, which gives logits.
        student: a built `keras.Model` of one input, images.
        generator: a `keras.Model` from random vectors `(batch, units)` to images, such
            as `data_free.default_generator` makes; or `data_free.OptimisedImages`.
        terms: as in `Distiller`. Defaults to None: `methods.hinton(weight=1.0)`.
        priors: list of `data_free.Prior` or of losses. Defaults to None: `dafl()`, or
            `deep_inversion()` for optimised images, with the statistics of the
            teacher's BatchNorm layers where it has them.
        memory: int, how many images are kept, of which the student's batches are drawn;
            0 gives it new ones of the generator each time. Defaults to None: 0, or
            eight rounds of optimised images.
        batch_size: int, of the student's batches, and of the generator's. Defaults to
            128.
        generator_steps: int. Defaults to 1.
        student_steps: int. Defaults to 1.
        seed: int: another one, other images. Defaults to 0.
        name: str. Defaults to `"data_free_distiller"`.
        **kwargs: more of `Distiller`'s arguments: `hard_loss_weight` (0, there are no
            labels), `balance`, `views`.

    Raises:
        TypeError: where the generator or a prior is none.
        ValueError: where the generator's images do not fit the models, or a prior has
            nothing to look at.

    Example:

    ```python
    generator = keras_kd.data_free.default_generator((8, 8, 3))
    distiller = DataFreeDistiller(teacher, student, generator)
    distiller.compile("adam", generator_optimizer="adam")
    distiller.fit(epochs=2, steps_per_epoch=3)
    distiller.save_images("what_it_saw.png")
    ```

    Logs hold, besides a Distiller's, `generator_loss` and the value of each prior.

    Reference:
        Chen et al. DAFL: Data-Free Learning of Student Networks. ICCV 2019.
        https://arxiv.org/abs/1904.01186 (a generator). Yin et al. Dreaming to Distill.
        CVPR 2020. https://arxiv.org/abs/1912.08795 (optimised images).
    """

    def __init__(
        self,
        teacher: Any,
        student: keras.Model,
        generator: Any,
        terms: Sequence[Any] | None = None,
        priors: Sequence[Any] | None = None,
        memory: int | None = None,
        batch_size: int = 128,
        generator_steps: int = 1,
        student_steps: int = 1,
        seed: int = 0,
        name: str = "data_free_distiller",
        **kwargs: Any,
    ):
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError(
                "DataFreeDistiller trains on one device. Received: a strategy of "
                f"{tf.distribute.get_strategy().num_replicas_in_sync} replicas."
            )
        source = as_source(generator)
        terms = hinton(weight=1.0) if terms is None else terms
        kwargs = {"hard_loss_weight": 0.0, **kwargs}
        super().__init__(teacher, student, terms, name=name, **kwargs)
        self.batch_size = positive_int("batch_size", batch_size)
        self.generator_steps = positive_int("generator_steps", generator_steps)
        self.student_steps = positive_int("student_steps", student_steps)
        self.seed = int(seed)
        sight_of(self.teacher, student, source, ())
        if priors is None:
            models = () if self.teacher is None else self.teacher.models
            priors = default_priors(source, models)
        self.priors = [as_prior(prior) for prior in priors]
        if not self.priors:
            raise ValueError("`priors` must hold one prior at least. Received none.")
        own = [GENERATOR_LOSS, *(prior.name for prior in self.priors)]
        unique_names("Priors", ["loss", *self.objective.entries(), *own])
        for entry in own:
            self.trackers[entry] = keras.metrics.Mean(name=entry)
        self.images = ImageMaker(source, self.priors, memory, batch_size, self.seed)
        self.images.look(self.teacher, student)
        self.taught = counter("taught")
        self.generator_optimizer: Any = None
        self._image_function: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        images = vars(self).get("images")
        if name == "teacher" and images is not None:
            images.look(self.teacher, self.student)
            self._image_function = None

    @property
    def generator(self) -> Any:
        """The model that makes the images, or the images that are optimised."""
        return getattr(self.images.source, "generator", self.images.source)

    @property
    def trainable_weights(self):
        """The student's and the terms': what the first optimizer moves."""
        return self._without_images(super().trainable_weights)

    @property
    def trainable_variables(self):
        """As `trainable_weights`."""
        return self._without_images(super().trainable_variables)

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        generator_optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `Distiller.compile`, with an optimizer for the images.

        Args:
            optimizer: the student's. Defaults to `"adam"`.
            generator_optimizer: the generator's or the images'. Defaults to None: Adam
                at a rate of 0.001, or at 0.3 for optimised images.
            loss: what `evaluate` reports. Defaults to None.
            **kwargs: more of `Distiller.compile`'s arguments.

        Raises:
            ValueError: where `steps_per_execution` does not divide `student_steps`.
        """
        together = kwargs.get("steps_per_execution", 1)
        if self.student_steps % together:
            raise ValueError(
                "`steps_per_execution` must divide student_steps, between which the "
                f"images learn. Received: steps_per_execution={together}, "
                f"student_steps={self.student_steps}."
            )
        super().compile(
            optimizer, loss, loss_weights, metrics, weighted_metrics, **kwargs
        )
        if generator_optimizer is None:
            rate = 0.3 if self.images.source.starts_anew else 1e-3
            generator_optimizer = keras.optimizers.Adam(rate)
        if generator_optimizer is self.optimizer:
            raise ValueError(
                "`optimizer` and `generator_optimizer` must be two optimizers. "
                f"Received twice: {optimizer!r}."
            )
        self.generator_optimizer = keras.optimizers.get(generator_optimizer)
        # Both now, so that their state can be restored before the first step.
        self.generator_optimizer.build(self.images.source.trainable_weights)
        self.optimizer.build(self.trainable_variables)
        self._image_function = None

    def fit(  # type: ignore[override]
        self, epochs: int = 1, steps_per_epoch: int = 100, **kwargs: Any
    ) -> Any:
        """Train without data.

        Args:
            epochs: int. Defaults to 1.
            steps_per_epoch: int, steps of the student. Defaults to 100.
            **kwargs: more of `keras.Model.fit`'s arguments: `callbacks`,
                `validation_data`, `verbose`, `initial_epoch`.

        Returns:
            The `History`.

        Raises:
            TypeError: where it is given data.
        """
        counts = isinstance(epochs, int) and isinstance(steps_per_epoch, int)
        if not counts or {"x", "y", "sample_weight"} & set(kwargs):
            raise TypeError(
                "DataFreeDistiller.fit takes no data: it makes its own images. Pass "
                "fit(epochs=..., steps_per_epoch=...)."
            )
        nothing = tf.data.Dataset.from_tensors(np.zeros((1,), "float32")).repeat()
        return super().fit(
            nothing,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            **kwargs,
        )

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        of_student: Any = self.train_function

        def alternating(data):
            if int(self.taught) % self.student_steps == 0:
                self.make_images()
            return of_student(data)

        self.train_function: Any = alternating

    def make_images(self) -> None:
        """One round of the images: `generator_steps`, and into the memory."""
        if self._image_function is None:
            self._image_function = self._compiled(lambda: self.image_step())
        self.images.start(self.generator_optimizer)
        for _ in range(self.generator_steps):
            self._image_function()
        self.images.keep()

    def image_step(self) -> None:
        """One step of the images on the priors."""
        values = self.images.learn(self.generator_optimizer, self.student, self.epoch)
        for name, value in values.items():
            self.trackers[name or GENERATOR_LOSS].update_state(value)

    def train_step(self, data):
        logs = super().train_step((self.images.batch(self.taught), None, None))
        self.taught.assign_add(1)
        return logs

    def synthesise(self, count: int = 64) -> np.ndarray:
        """Images as the student sees them: new ones, or the memory's latest.

        Args:
            count: int. Defaults to 64.

        Returns:
            Array `(count, height, width, channels)`; fewer where the memory has fewer.

        Raises:
            ValueError: where images are optimised, and none were yet.
        """
        shown = self.images.shown(positive_int("count", count))
        return ops.convert_to_numpy(shown)

    def save_images(
        self,
        path: str | os.PathLike[str],
        count: int = 64,
        scale: int = 4,
        overwrite: bool = False,
    ) -> Path:
        """Write what `synthesise` gives side by side into a PNG file.

        Args:
            path: path that ends in `.png`.
            count: int. Defaults to 64.
            scale: int, the file's pixels to one of an image. Defaults to 4.
            overwrite: bool: replace a file that is there. Defaults to False.

        Returns:
            The path.
        """
        return write_grid(path, self.synthesise(count), scale, overwrite)

    def get_config(self):
        memory, made = self.images.memory, keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "generator": made(self.images.source),
            "priors": [made(prior) for prior in self.priors],
            "memory": memory.capacity if memory else 0,
            "batch_size": self.batch_size,
            "generator_steps": self.generator_steps,
            "student_steps": self.student_steps,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        made = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects)
            for key in ("generator", "priors")
        }
        return super().from_config(config | made, custom_objects)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            optimizer = keras.saving.serialize_keras_object(self.generator_optimizer)
            config["generator_optimizer"] = optimizer
        return config

    def _compiled(self, function):
        if self.run_eagerly:
            return function
        return tf.function(
            function, autograph=False, jit_compile=bool(self.jit_compile)
        )

    def _without_images(self, variables):
        images = vars(self).get("images")
        own = {id(v) for v in images.weights} if images is not None else ()
        return [v for v in variables if id(v) not in own]
