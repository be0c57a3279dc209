"""A student learns from its teacher; then on, with and without fake quantization."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import keras_kd
from keras_kd.callbacks import ProgressLines

from .cache import Cache
from .task import Task


def float_student(task: Task, cache: Cache, seed: int) -> keras.Model:
    """The student that the files are made from."""
    keras.utils.set_random_seed(seed)
    return cache.trained(
        f"student_{seed}",
        task.network(),
        lambda m: distil(task, m, task.training.epochs, task.training.rate, seed),
    )


def trained_on(
    task: Task, cache: Cache, seed: int, mode: str | None = None
) -> keras.Model:
    """The student after the second training: plain, or quantize-aware by `mode`."""
    student = float_student(task, cache, seed)
    keras.utils.set_random_seed(seed)
    if mode is not None:
        from keras_kd.compress import quantize_aware

        student = quantize_aware(student, mode=mode)
    how = task.training
    return cache.trained(
        f"{mode or 'more'}_{seed}",
        student,
        lambda m: distil(task, m, how.more, how.more_rate, seed + 100),
    )


def distil(
    task: Task, student: keras.Model, epochs: int, rate: float, seed: int
) -> None:
    """Train in place, the teacher teaching: live, or by its stored answers."""
    how = task.training
    distiller = keras_kd.Distiller(
        task.teacher,
        student,
        keras_kd.methods.hinton(temperature=how.temperature),
        hard_loss_weight=how.hard_loss_weight,
    )
    steps = len(task.x_train) // how.batch_size
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    distiller.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # on a CPU, compiling takes longer than it saves
    )
    distiller.fit(
        batches(task, seed),
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=[ProgressLines(4, "    ")],
        shuffle=False,  # `batches` did
        verbose=0,
    )


def batches(task: Task, seed: int) -> tf.data.Dataset:
    """Full batches without end; stored answers go with their input, augmented too."""
    inputs = tf.convert_to_tensor(task.x_train)
    labels = tf.convert_to_tensor(task.y_train.astype("int32"))
    stored = None if task.logits is None else tf.convert_to_tensor(task.logits)

    def batch(step, rows):
        x, y = tf.gather(inputs, rows), tf.gather(labels, rows)
        if task.augment is not None:
            x = task.augment(x, tf.stack([seed, tf.cast(step, "int32")]))
        if stored is not None:
            y = keras_kd.pack_targets(y, tf.gather(stored, rows))
        return x, y

    order = tf.data.Dataset.range(len(labels))
    order = order.shuffle(len(labels), seed=seed, reshuffle_each_iteration=True)
    order = order.repeat().batch(task.training.batch_size, drop_remainder=True)
    return order.enumerate().map(batch).prefetch(4)


def classes(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """The class of the largest output for each input."""
    return model.predict(inputs, batch_size=256, verbose=0).argmax(-1)


def linear_head(
    features: np.ndarray, labels: np.ndarray, number: int, epochs: int = 30
) -> keras.Model:
    """A classifier on a frozen teacher's features: standardized, one Dense layer."""
    keras.utils.set_random_seed(0)
    scale = keras.layers.Normalization()
    scale.adapt(features)
    head = keras.Sequential(
        [keras.Input(features.shape[1:]), scale, keras.layers.Dense(number)]
    )
    steps = epochs * len(features) // 256
    head.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=0.05
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    head.fit(features, labels, batch_size=256, epochs=epochs, verbose=0)
    return head
