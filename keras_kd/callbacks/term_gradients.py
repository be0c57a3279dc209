"""Which way each term pulls the student, and how hard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_kd.objective.balance import HARD_LOSS
from keras_kd.validation import positive_int


class TermGradients(keras.callbacks.Callback):
    """Adds the norm and the direction of each term's gradient to the logs.

    At an epoch's end, on one given batch, the gradients of the hard loss and of
    each term, as they count in the total (weights and scales included), are taken
    by the student's variables that train:

        <name>_gradient_norm      ‖g‖₂
        <name>_gradient_cosine    g · h / (‖g‖ ‖h‖), h the hard loss's gradient,
                                  or the gradient of the total where there is none

    A cosine below 0 says that a term works against the labels; a norm far above the
    hard loss's, that it drowns them.

    The student runs in training mode, as in the step that is looked into: batch
    normalization by the batch, dropout on. Its statistics, random seeds and all
    else that moved is put back, so the training goes on as if nothing had been
    measured. (Randomness outside of Keras's `SeedGenerator`s, such as of
    `tf.random`, cannot be put back.)

    Put this callback before `CSVLogger`; `History` sees it anywhere.

    Args:
        x, y, sample_weight: a batch, as `train_on_batch` takes it; `y` may be packed
            targets. One of the size that is trained on tells most.
        every: int, measure at the end of each so many epochs; the others have NaN.
            Defaults to 1.

    Example:

    ```python
    watch = keras_kd.callbacks.TermGradients(images, labels)
    history = distiller.fit(images, labels, callbacks=[watch]).history
    history["kl_distillation_gradient_cosine"]
    ```

    Reference:
        Du, Czarnecki, Jayakumar, Farajtabar, Pascanu, Lakshminarayanan. Adapting
        Auxiliary Losses Using Gradient Similarity. 2018.
        https://arxiv.org/abs/1812.02224
    """

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None, every=1):
        super().__init__()
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.every = positive_int("every", every)

    def on_train_begin(self, logs=None):
        if not hasattr(self.model, "weighted_losses"):
            raise TypeError(
                f"TermGradients are of a Distiller. Received: {self.model!r}."
            )

    def on_epoch_end(self, epoch, logs=None):
        if logs is None:
            return
        entries = dict.fromkeys(
            f"{name}_gradient_{what}"
            for name in self.model.objective.names
            for what in ("norm", "cosine")
            if (name, what) != (HARD_LOSS, "cosine")
        )
        found = {}
        if not (epoch + 1) % self.every:
            found = norms_and_cosines(self.gradients())
        logs.update({entry: found.get(entry, np.nan) for entry in entries})

    def gradients(self) -> dict[str, np.ndarray]:
        """Each part's gradient as one long vector; nothing is changed."""
        distiller = self.model
        batch = (self.x, self.y, self.sample_weight)
        batch = keras.tree.map_structure(
            lambda part: None if part is None else tf.convert_to_tensor(part), batch
        )
        scale = tf.ones(())
        if distiller.optimizer is not None:  # half precision needs it
            scale = distiller.optimizer.scale_loss(scale)
        moving = [*distiller.non_trainable_variables, *distiller.metrics_variables]
        with put_back(moving), distiller.narrowed():
            variables = distiller.student.trainable_variables
            with tf.GradientTape(persistent=True) as tape:
                parts = distiller.weighted_losses(*batch)
                parts = {name: value * scale for name, value in parts.items()}
            return {
                name: _long(tape.gradient(value, variables), variables) / float(scale)
                for name, value in parts.items()
            }


def norms_and_cosines(gradients: dict[str, np.ndarray]) -> dict[str, float]:
    """The entries of the logs. Of no gradient the cosine is NaN."""
    reference = gradients.get(HARD_LOSS, np.zeros(()))
    if not reference.any():
        reference = np.sum(list(gradients.values()), axis=0)
    entries = {}
    for name, gradient in gradients.items():
        norm = float(np.linalg.norm(gradient))
        entries[f"{name}_gradient_norm"] = norm
        if name != HARD_LOSS:
            scale = norm * float(np.linalg.norm(reference))
            cosine = float(gradient @ reference) / scale if scale else np.nan
            entries[f"{name}_gradient_cosine"] = cosine
    return entries


@contextlib.contextmanager
def put_back(variables: Sequence[Any]) -> Iterator[None]:
    """Whatever happens to the variables in the block has not happened after it."""
    before = [(v, v.numpy()) for v in variables]
    try:
        yield
    finally:
        for variable, value in before:
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)


def _long(gradients, variables):
    """Gradients side by side in float64; zeros where there is none."""
    parts = [
        np.zeros(v.shape) if g is None else tf.convert_to_tensor(g).numpy()
        for g, v in zip(gradients, variables, strict=True)
    ]
    return np.concatenate([part.ravel().astype("float64") for part in parts])
