"""One teacher, and one student by one method from one seed."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd import Distiller, pack_targets
from keras_kd.objective.balance import MagnitudeBalance
from keras_kd.workflow import Augmentation

from .boards import Board, Images, Training
from .entries import NO_TEACHER, Entry, Setting

SEED_OF_TEACHER = 1_000


def trained_teacher(board: Board, images: Images, cache: Any) -> keras.Model:
    """The board's teacher, from the cache if it is there."""
    keras.utils.set_random_seed(SEED_OF_TEACHER)
    model, _ = board.networks()

    def train(model: keras.Model) -> None:
        print(f"  {board.teacher}: {len(images.x):,} images", flush=True)
        rows = np.arange(len(images.x))
        _fit(model, board.teaching, images, rows, board.data.augment, SEED_OF_TEACHER)

    return cache.trained("teacher", model, train)


def run(
    board: Board, images: Images, teacher: keras.Model, entry: Entry, seed: int
) -> dict[str, Any]:
    """Train a student and test it once, at the end.

    Returns:
        What JSON can hold: the accuracy, the seconds and what it took. `cpu_seconds`
        and `wall_seconds` are those of the training; `step_ms` is the CPU time of a
        step after the first epoch, in which TensorFlow builds its graph.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    _, student = board.networks()
    setting = Setting(
        teacher=teacher,
        student=student,
        labels=images.y[images.rows],
        classes=board.data.classes,
        epochs=board.learning.epochs,
    )
    keras.utils.set_random_seed(seed)  # adapters too, whatever was built before
    model = deployed = entry.student(setting)
    if entry.name != NO_TEACHER:
        terms = entry.terms(setting)
        model = Distiller(
            teacher,
            deployed,
            terms,
            entry.hard_loss_weight,
            balance=MagnitudeBalance() if entry.balanced else None,
        )
    clock = _fit(
        model,
        board.learning,
        images,
        images.rows,
        board.data.augment,
        seed,
        entry.needs_index,
    )
    right = accuracy(deployed, images)
    return {
        "method": entry.name,
        "seed": seed,
        "accuracy": right,
        "diverged": not math.isfinite(clock.loss),
        "cpu_seconds": round(clock.cpu, 2),
        "wall_seconds": round(clock.wall, 2),
        "step_ms": clock.step_ms(),
        "parameters": deployed.count_params(),
        "learned_with": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
    }


def accuracy(model: keras.Model, images: Images) -> float:
    """The share of test images whose largest logit is that of their class."""
    right = 0
    for start in range(0, len(images.x_test), 500):  # without another graph
        rows = slice(start, start + 500)
        logits = np.asarray(model(images.x_test[rows], training=False))
        right += int(np.sum(logits.argmax(-1) == images.y_test[rows]))
    return right / len(images.x_test)


class Clock(keras.callbacks.Callback):
    """CPU and wall time of a training, by epoch; stops it where the loss is lost."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.ends, self.loss = steps, [], math.nan

    def on_train_begin(self, logs=None):
        self.begin = time.process_time(), time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.process_time())
        self.loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(self.loss):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.cpu = time.process_time() - self.begin[0]
        self.wall = time.perf_counter() - self.begin[1]

    def step_ms(self) -> float | None:
        """Median over the epochs but the first; None where there is only one."""
        if len(self.ends) < 2:
            return None
        return round(1e3 * float(np.median(np.diff(self.ends))) / self.steps, 3)


def _fit(
    model: keras.Model,
    training: Training,
    images: Images,
    rows: np.ndarray,
    augment: Augmentation,
    seed: int,
    with_index: bool = False,
) -> Clock:
    steps = training.compiled(model, len(rows))
    clock = Clock(steps)
    model.fit(
        _batches(images, rows, training, augment, seed, with_index),
        epochs=training.epochs,
        steps_per_epoch=steps,
        callbacks=[clock],
        shuffle=False,  # `places` did
        verbose=0,
    )
    return clock


def _batches(images, rows, training, augment, seed, with_index) -> tf.data.Dataset:
    """Full batches without end; the same from the same seed for every method."""
    x = tf.convert_to_tensor(images.x[rows])
    y = tf.convert_to_tensor(images.y[rows])

    def batch(step, places):
        views = augment(tf.gather(x, places), tf.stack([seed, tf.cast(step, "int32")]))
        labels = tf.gather(y, places)
        return views, pack_targets(labels, index=places) if with_index else labels

    order = training.places(len(rows), seed).enumerate()
    return order.map(batch, num_parallel_calls=1).prefetch(4)
