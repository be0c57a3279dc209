"""A tf_keras student in TFMOT's wrappers learns while a Keras 3 teacher teaches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from keras_kd.compress.tfmot.load import load, load_tf_keras, quiet
from keras_kd.validation import non_negative


def fit_with_teacher(
    student: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any,
    teacher: Callable[..., Any] | None = None,
    distillation_loss: Callable[[Any, Any], Any] | None = None,
    weight: float = 1.0,
    optimizer: Any = "adam",
    **fit: Any,
) -> Any:
    """Train what TFMOT made of a student, on labels and on a teacher's answers:

        loss(labels, student) + weight · mean(distillation_loss(teacher, student))

    The teacher answers each batch as it comes, without training. TFMOT's step
    counter for pruning is put among the callbacks.

    Args:
        student: A `tf_keras.Model`, from `prune_low_magnitude`, `cluster_weights`,
            `quantize_model` or `to_tf_keras`. It is trained in place.
        x: Inputs as `tf_keras.Model.fit` takes them, arrays or a dataset.
        y: Labels. Defaults to `None`, for a dataset.
        loss: A tf_keras loss, its name, or a function `(labels, outputs)`.
        teacher: A Keras 3 model or another function of a batch. Defaults to `None`,
            plain training.
        distillation_loss: Function of the teacher's and the student's answers, such
            as `keras_kd.losses.kl_divergence`. Needed with a teacher.
        weight: Float, of the distillation loss. Defaults to `1.0`.
        optimizer: A tf_keras optimizer or its name. Defaults to `"adam"`.
        **fit: Further arguments of `fit`: `epochs`, `batch_size`, `callbacks`,
            `validation_data`, …

    Returns:
        The history of losses, as a dict.

    Raises:
        ValueError: If there is a teacher and no `distillation_loss`, or the other
            way round.

    Example:

    ```python
    from keras_kd.compress import tfmot
    small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    small.add(keras.layers.Dense(5))
    pruned = tfmot.prune_low_magnitude(small, 0.5)
    tfmot.fit_with_teacher(
        pruned, images, labels, teacher=teacher, verbose=0,
        loss=lambda y, logits: keras.losses.sparse_categorical_crossentropy(
            y, logits, from_logits=True
        ),
        distillation_loss=keras.losses.mean_squared_error,
    )
    small = tfmot.from_tf_keras(pruned, like=small)
    ```
    """
    if (teacher is None) != (distillation_loss is None):
        raise ValueError(
            "`teacher` and `distillation_loss` go together. Received: "
            f"teacher={teacher!r}, distillation_loss={distillation_loss!r}."
        )
    non_negative("weight", weight)
    with quiet():
        model = _taught()(student, teacher, distillation_loss, weight)
        model.compile(optimizer=optimizer, loss=loss)
        counter = load().sparsity.keras.UpdatePruningStep()
        callbacks = [counter] if _is_pruned(student) else []
        callbacks += list(fit.pop("callbacks", None) or [])
        return model.fit(x, y, callbacks=callbacks, **fit).history


def _is_pruned(student: Any) -> bool:
    return any(hasattr(layer, "pruning_step") for layer in student.layers)


@functools.cache
def _taught() -> Any:
    """The model class, made once tf_keras may be imported."""
    tf_keras = load_tf_keras()
    import tensorflow as tf

    class Taught(tf_keras.Model):  # type: ignore[name-defined]
        """A student whose training loss has its teacher's share in it."""

        def __init__(
            self, student: Any, teacher: Any, distillation_loss: Any, weight: float
        ) -> None:
            super().__init__()
            self.student = student
            # In a function, neither tf_keras nor TensorFlow tracks the teacher.
            self._lesson = lambda x, answers: (
                weight
                * tf.reduce_mean(
                    distillation_loss(tf.stop_gradient(_ask(teacher, x)), answers)
                )
            )
            self._teaches = teacher is not None
            self._training = False

        def call(self, inputs: Any, training: Any = None) -> Any:
            return self.student(inputs, training=training)

        def train_step(self, data: Any) -> Any:
            self._training = True
            try:
                return super().train_step(data)
            finally:
                self._training = False

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any
        ) -> Any:
            loss = super().compute_loss(x, y, y_pred, *args)
            if self._training and self._teaches:
                loss += self._lesson(x, y_pred)
            return loss

    return Taught


def _ask(teacher: Any, x: Any) -> Any:
    if hasattr(teacher, "trainable_variables"):
        return teacher(x, training=False)
    return teacher(x)
