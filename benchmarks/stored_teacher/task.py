"""A trained teacher whose forward pass costs five training steps of its student."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_kd
from keras_kd.datasets import load_dataset

BATCH, SIDE = 64, 32


@dataclasses.dataclass(frozen=True)
class Task:
    """A teacher, images in 0…1 and their labels.

    Args:
        teacher: trained on the images.
        x: float32 array `(examples, 32, 32, 1)`.
        y: int array.
        steps: int, batches in one candidate's turn.
        repeats: int, rounds.
    """

    teacher: keras.Model
    x: np.ndarray
    y: np.ndarray
    steps: int
    repeats: int

    def batches(self, number: int | None = None) -> tf.data.Dataset:
        """Batches `(x, y)` in memory, the same ones for every candidate."""
        rows = (number or self.steps) * BATCH
        places = np.arange(rows) % len(self.x)
        pair = self.x[places], self.y[places]
        return tf.data.Dataset.from_tensor_slices(pair).batch(BATCH)


def network(name: str, width: int, depth: int, classes: int = 10) -> keras.Model:
    """A small residual network over 32×32 images."""
    inputs = x = keras.Input((SIDE, SIDE, 1))
    for filters in (width, 2 * width):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        for _ in range(depth):
            shortcut = x
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name=name)


def student() -> keras.Model:
    """A fresh student."""
    return network("student", 16, 2)


def compiled(model: keras.Model, rate: float = 0.01) -> keras.Model:
    """Ready for `fit`; without XLA, which takes longer than it saves on a CPU."""
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def ours(teacher) -> keras.Model:
    """Hinton's recipe in keras_kd."""
    terms = keras_kd.methods.hinton()
    return compiled(keras_kd.Distiller(teacher, student(), terms, 0.1))


def keras_own(teacher: keras.Model) -> keras.Model:
    """The same in `keras.distillation`."""
    loss = keras.distillation.LogitsDistillation(temperature=4.0)
    return compiled(
        keras.distillation.Distiller(
            teacher, student(), [loss], [1.0], student_loss_weight=0.1
        )
    )


def prepared(fast: bool) -> Task:
    """scikit-learn's digits at 32×32, and a teacher that knows them."""
    keras.utils.set_random_seed(0)
    data = load_dataset("digits", image_size=(SIDE, SIDE))
    x, y = data.x_train, data.y_train
    teacher = compiled(network("teacher", 64, 2 if fast else 12), 0.02)
    teacher.fit(x, y, batch_size=BATCH, epochs=1 if fast else 6, verbose=0)
    steps, repeats = (4, 3) if fast else (20, 7)
    return Task(teacher, x, y, steps, repeats)
