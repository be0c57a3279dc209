"""Training on a Dataset: one way for a teacher, a student and a baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_kd.callbacks import ProgressLines
from keras_kd.datasets import UNLABELLED, Dataset
from keras_kd.distiller import Distiller
from keras_kd.probabilities import ends_in_probabilities
from keras_kd.store.stored import StoredTeacher
from keras_kd.store.views.views import Views
from keras_kd.teachers import as_teacher
from keras_kd.types import OUTPUT
from keras_kd.validation import callable_or_none, positive, positive_int

Augment = Callable[[Any, Any], Any]


def train(
    model: keras.Model,
    dataset: Dataset,
    *,
    epochs: int,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    augment: Augment | Views | None = None,
    store: StoredTeacher | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> dict[str, list[float]]:
    """Compile and fit a model, or a Distiller, on a dataset.

    Adam with a cosine schedule to zero. An epoch is as many steps as the training
    images fill batches, for every model; so a plain model, which sees the labelled
    images only (again and again, where they are few), takes as many steps as a
    Distiller, to which the teacher speaks about the unlabelled ones as well. In its
    hard loss and accuracy, only labelled images count.

    The test images give the validation curves; nothing is chosen by them.

    Args:
        model: a built `keras.Model` of logits or probabilities, or a `Distiller`.
        dataset: a `Dataset`.
        epochs: int.
        batch_size: int. Defaults to 128.
        learning_rate: float, at the start. Defaults to 0.001.
        seed: int, of the order of images and of their augmentation. Defaults to 0.
        augment: function `(images, seed) -> images` of tensors, such as an
            `Augmentation`; with a store, what its views were made by. Defaults to
            None.
        store: `StoredTeacher` of the training images, whose views and targets are
            trained on. Defaults to None: the teacher runs.
        callbacks: Keras callbacks.
        verbose: 0 for silence, 1 for about ten lines, 2 for a line per epoch.
            Defaults to 1.

    Returns:
        The history: dict from the name in the logs to one float per epoch.

    Raises:
        ValueError: where the model does not fit the dataset.

    Example:

    ```python
    history = train(teacher, load_dataset("digits"), epochs=30)
    history["val_accuracy"][-1]
    ```
    """
    epochs = positive_int("epochs", epochs)
    distilled = isinstance(model, Distiller)
    student = model.student if distilled else model
    check_fits("student" if distilled else "model", student, dataset)
    steps = steps_per_epoch(dataset, batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        positive("learning_rate", learning_rate), epochs * steps
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        hard_loss(student, distilled),
        metrics=[LabelledAccuracy() if distilled else "accuracy"],
        jit_compile=False,  # on a CPU, compiling takes longer than it saves
    )
    if not distilled:
        require_labels(dataset)
    if store is not None and (distilled or dataset.labelled.all()):
        data = store.dataset(
            (dataset.x_train, dataset.y_train.astype("int32")),
            batch_size=batch_size, seed=seed, augment=augment, targets=distilled,
        )  # fmt: skip
    else:
        _refuse_views(dataset, augment)
        rows = np.arange(len(dataset.x_train))
        rows = rows if distilled else rows[dataset.labelled]
        data = batches(dataset, rows, batch_size, seed, augment)
    history = model.fit(
        data,
        epochs=epochs,
        steps_per_epoch=steps if store is None or data.cardinality() < 0 else None,
        validation_data=_test_batches(dataset),
        callbacks=[*callbacks, *_progress(epochs, verbose)],
        shuffle=False,  # `batches` did
        verbose=0,
    )
    return {
        name: [float(v) for v in values] for name, values in history.history.items()
    }


def steps_per_epoch(dataset: Dataset, batch_size: int) -> int:
    """Batches that the training images fill, the labelled and the others."""
    return math.ceil(len(dataset.x_train) / positive_int("batch_size", batch_size))


def accuracy(model: Any, dataset: Dataset) -> float:
    """The share of test images whose largest output is their class."""
    return float(np.mean(top_classes(model, dataset.x_test) == dataset.y_test))


def top_classes(model: Any, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """The class of the largest output for each image.

    Args:
        model: a `keras.Model`, or a teacher such as `EnsembleTeacher`.
        images: array `(samples, height, width, channels)`.
        batch_size: int. Defaults to 256.

    Returns:
        Integer array `(samples,)`.
    """
    source = as_teacher(model)
    outputs = [
        ops.convert_to_numpy(source(images[start : start + batch_size])[OUTPUT])
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(outputs).argmax(-1)


def hard_loss(model: keras.Model, may_be_unlabelled: bool) -> keras.losses.Loss:
    """Cross-entropy; an image without a label neither adds to it nor dilutes it.

    With `ignore_class` the mean is over the labelled images of a batch, and is 0 in
    a batch without any.
    """
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=not ends_in_probabilities(model, OUTPUT),
        ignore_class=UNLABELLED if may_be_unlabelled else None,
    )


class LabelledAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Accuracy over the images that have a label."""

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        labelled = ops.cast(ops.not_equal(y_true, UNLABELLED), "float32")
        if sample_weight is not None:
            labelled = labelled * sample_weight
        return super().update_state(y_true, y_pred, labelled)


def batches(
    dataset: Dataset, rows: np.ndarray, batch_size: int, seed: int, augment: Any
) -> tf.data.Dataset:
    """Full batches without end of chosen training images, shuffled and augmented."""
    callable_or_none("augment", augment)
    images = tf.convert_to_tensor(dataset.x_train)
    labels = tf.convert_to_tensor(dataset.y_train.astype("int32"))

    def batch(step: Any, indices: Any) -> tuple[Any, Any]:
        x = tf.gather(images, indices)
        if augment is not None:
            x = augment(x, tf.stack([seed, tf.cast(step, "int32")]))
        return x, tf.gather(labels, indices)

    order = tf.data.Dataset.from_tensor_slices(rows)
    order = order.shuffle(len(rows), seed=seed, reshuffle_each_iteration=True)
    order = order.repeat().batch(batch_size, drop_remainder=True).enumerate()
    return order.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(4)


def check_fits(name: str, model: keras.Model, dataset: Dataset) -> None:
    """Refuse a model whose ends are not the dataset's images and classes.

    Raises:
        ValueError: where the input's or the output's shape differs.
    """
    for end, shape, wanted in (
        ("takes", getattr(model, "input_shape", None), dataset.image_shape),
        ("gives", getattr(model, "output_shape", None), (dataset.num_classes,)),
    ):
        if not isinstance(shape, tuple) or not shape or isinstance(shape[0], tuple):
            if shape is None:
                continue  # a subclassed model does not say
            agrees = False
        else:
            agrees = len(shape) == len(wanted) + 1 and all(
                size in (None, want)
                for size, want in zip(shape[1:], wanted, strict=True)
            )
        if not agrees:
            raise ValueError(
                f"`{name}` must fit {dataset.name!r}, {dataset.image_shape} images of "
                f"{dataset.num_classes} classes. Received: a model that {end} {shape}."
            )


def require_labels(dataset: Dataset) -> None:
    """Refuse a dataset from which a model without a teacher can learn nothing.

    Raises:
        ValueError: where no training image has a label.
    """
    if not dataset.labelled.any():
        raise ValueError(
            f"{dataset.name!r} has no labelled training image, without which a model "
            "cannot learn by itself: pass `baseline=False`, or train a Distiller."
        )


def _refuse_views(dataset: Dataset, augment: Any) -> None:
    """A model without a teacher cannot see a store's views of the labelled alone."""
    if isinstance(augment, Views):
        raise ValueError(
            f"Some images of {dataset.name!r} have no label, and the store's views are "
            "of all: pass `baseline=False`, or label without an augmentation."
        )


def _test_batches(dataset: Dataset) -> tf.data.Dataset:
    pairs = (dataset.x_test, dataset.y_test.astype("int32"))
    return tf.data.Dataset.from_tensor_slices(pairs).batch(512).cache().prefetch(1)


def _progress(epochs: int, verbose: int) -> list[keras.callbacks.Callback]:
    lines = {0: 0, 1: 10, 2: epochs}.get(int(verbose), epochs)
    return [ProgressLines(lines, "    ")] if lines else []
