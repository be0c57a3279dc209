"""Which teacher teaches which student, on which data and for how long."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.datasets import load_dataset
from keras_kd.workflow import Augmentation

from .networks import Network

LABELS = "labels"
"""The loss of a classifier: the cross-entropy of its logits with the labels."""


@dataclasses.dataclass(frozen=True)
class Training:
    """A budget, one for all students of a board.

    The rate rises through the first epoch and falls to zero with a cosine. `"sgd"`
    has Nesterov momentum 0.9. The weights of the last epoch count.
    """

    epochs: int
    rate: float
    batch_size: int
    optimizer: str = "sgd"
    decay: float = 5e-4

    def compiled(self, model: keras.Model, images: int, loss: Any = LABELS) -> int:
        """Compile a student, a teacher or a Distiller; returns the steps per epoch."""
        steps = images // self.batch_size
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            (self.epochs - 1) * steps or 1,
            warmup_target=self.rate,
            warmup_steps=steps,
        )
        if self.optimizer == "sgd":
            optimizer = keras.optimizers.SGD(
                schedule, momentum=0.9, nesterov=True, weight_decay=self.decay
            )
        else:
            optimizer = keras.optimizers.AdamW(schedule, weight_decay=self.decay)
        model.compile(
            optimizer,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            if loss == LABELS
            else loss,
            jit_compile=False,  # on a CPU, compiling takes longer than it saves
        )
        return steps

    def places(self, images: int, seed: int) -> tf.data.Dataset:
        """Rows in full batches without end, in another order each epoch.

        Keras itself shuffles arrays alike in each epoch once a seed is set.
        """
        order = tf.data.Dataset.range(images)
        order = order.shuffle(images, seed=seed, reshuffle_each_iteration=True)
        return order.repeat().batch(self.batch_size, drop_remainder=True)

    def fit(
        self, model: Any, x: np.ndarray, y: np.ndarray, seed: int, callbacks: Any = None
    ) -> None:
        """Train what is compiled on arrays, in the batches of `places`."""
        data = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        model.fit(
            self.places(len(x), seed).map(
                lambda rows: tuple(tf.gather(part, rows) for part in data)
            ),
            epochs=self.epochs,
            steps_per_epoch=max(1, len(x) // self.batch_size),
            shuffle=False,  # `places` did
            callbacks=callbacks,
            verbose=0,
        )


@dataclasses.dataclass(frozen=True)
class Images:
    """What the teacher trains on, which rows of it the students see, and the test."""

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset and how much of it is used: `None` stands for all.

    The teacher trains on the first `teacher` images, the students on `student` of
    those, drawn at random.
    """

    name: str
    image_shape: tuple[int, int, int]
    classes: int
    student: int
    augment: Augmentation
    teacher: int | None = None
    test: int | None = None
    test_fraction: float = 0.2

    def load(self) -> Images:
        """The arrays, from this machine or by download.

        Raises:
            ValueError: where they are not here and cannot be downloaded.
            ImportError: where a package is missing; the sentence names it.
        """
        found = load_dataset(self.name, test_fraction=self.test_fraction)
        x, y = found.x_train[: self.teacher], found.y_train[: self.teacher]
        drawn = np.random.default_rng(0).permutation(len(x))[: self.student]
        return Images(
            x=x,
            y=y.astype("int32"),
            rows=np.sort(drawn),
            x_test=found.x_test[: self.test],
            y_test=found.y_test[: self.test],
        )


@dataclasses.dataclass(frozen=True)
class Board:
    """One table: a pair on a dataset, and both budgets."""

    pair: str
    data: Data
    teacher: Network
    student: Network
    teaching: Training
    learning: Training

    @property
    def name(self) -> str:
        return f"{self.data.name}-{self.pair}"

    @property
    def kinds(self) -> tuple[str, str]:
        return self.teacher.kind, self.student.kind

    @property
    def about(self) -> str:
        return f"{self.teacher} → {self.student}"

    def networks(self) -> tuple[keras.Model, keras.Model]:
        """Teacher and student, with weights from Keras's current seed."""
        shape, classes = self.data.image_shape, self.data.classes
        return (
            self.teacher.build("teacher", shape, classes),
            self.student.build("student", shape, classes),
        )

    def teacher_settings(self) -> dict[str, Any]:
        """What the teacher's weights depend on."""
        data = dataclasses.asdict(self.data)
        del data["student"]
        return {
            "data": data,
            "teacher": dataclasses.asdict(self.teacher),
            "teaching": dataclasses.asdict(self.teaching),
        }

    def settings(self) -> dict[str, Any]:
        """What a student's figures depend on, besides the method and the seed."""
        return {
            **self.teacher_settings(),
            "data": dataclasses.asdict(self.data),
            "student": dataclasses.asdict(self.student),
            "learning": dataclasses.asdict(self.learning),
        }

    def shortened(self) -> Board:
        """For a look in a minute or two: few images, few steps."""
        return dataclasses.replace(
            self,
            data=dataclasses.replace(self.data, student=192),
            teaching=dataclasses.replace(self.teaching, epochs=8),
            learning=dataclasses.replace(self.learning, epochs=10),
        )


PHOTOGRAPHS = Data(
    "cifar10",
    image_shape=(32, 32, 3),
    classes=10,
    student=10_000,
    augment=Augmentation(shift=0.1, flip=True, fill="reflect"),
)
DIGITS = Data(
    "digits",
    image_shape=(8, 8, 1),
    classes=10,
    student=200,
    test_fraction=0.5,
    augment=Augmentation(shift=0.06, rotate=8, zoom=0.06),
)
LARGE = Network("resnet", (24, 48, 96))
LARGE_DIGITS = Network("resnet", (16, 32, 64), strides=1)
TEACHING = {
    "cifar10": Training(epochs=10, rate=0.1, batch_size=128),
    "digits": Training(epochs=30, rate=0.05, batch_size=32),
}
LEARNING = {
    "cifar10": Training(epochs=6, rate=0.05, batch_size=64),
    "digits": Training(epochs=40, rate=0.05, batch_size=32),
}


TRANSFORMER = {"optimizer": "adamw", "rate": 2e-3, "decay": 0.05}


def _board(pair: str, data: Data, teacher: Network, student: Network) -> Board:
    budgets = [
        dataclasses.replace(budget, **TRANSFORMER if network.kind == "vit" else {})
        for network, budget in (
            (teacher, TEACHING[data.name]),
            (student, LEARNING[data.name]),
        )
    ]
    return Board(pair, data, teacher, student, *budgets)


def _vit(width: int, blocks: int = 1, strides: int = 2) -> Network:
    return Network("vit", (width, width, width), blocks, strides)


BOARDS = {
    board.name: board
    for board in (
        _board("resnet_resnet", PHOTOGRAPHS, LARGE, Network("resnet", (8, 16, 32))),
        _board(
            "resnet_mobilenet", PHOTOGRAPHS, LARGE, Network("mobilenet", (24, 48, 96))
        ),
        _board("resnet_vit", PHOTOGRAPHS, LARGE, _vit(48)),
        _board("vit_vit", PHOTOGRAPHS, _vit(64, blocks=2), _vit(32)),
        _board(
            "resnet_resnet",
            DIGITS,
            LARGE_DIGITS,
            Network("resnet", (4, 8, 8), strides=1),
        ),
        _board(
            "resnet_mobilenet",
            DIGITS,
            LARGE_DIGITS,
            Network("mobilenet", (8, 12, 16), strides=1),
        ),
        _board("resnet_vit", DIGITS, LARGE_DIGITS, _vit(16, strides=1)),
        _board("vit_vit", DIGITS, _vit(32, blocks=2, strides=1), _vit(16, strides=1)),
    )
}
"""All tables, by `"<data>-<pair>"`, those that matter most first."""
