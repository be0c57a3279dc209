"""The supervised part of a step, and what is tracked of all parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.objective.total import Parts
from keras_kd.replicas.batch import current_batch, over_global_batch

MEAN = "sum_over_batch_size"


def hard_loss(
    compiled: Any,
    labels: Any,
    predictions: Any,
    sample_weight: Any,
    weight: Hyperparameter | None,
) -> Any:
    """The compiled loss; zero where there is none, or no labels.

    Args:
        compiled: what `compile(loss=...)` made, or None.
        labels, predictions, sample_weight: the batch's.
        weight: how much it counts; None where labels are not asked for.

    Raises:
        ValueError: where it counts and the batch has no labels.
    """
    if compiled is None:
        return ops.zeros(())
    if labels is not None:
        return over_global_batch(
            compiled,
            (labels, predictions, sample_weight),
            reductions_of(compiled),
            # A mean over the positions that count is not the mean of such means.
            across_examples=has_mask(predictions),
        )
    if weight is not None:
        with tf.init_scope():
            wanted = float(weight)
        if wanted:
            raise ValueError(
                f"The batch has no labels, and hard_loss_weight is {wanted}: "
                "pass `y`, or `hard_loss_weight=0`."
            )
    return ops.zeros(())


def reductions_of(compiled: Any) -> list[str | None]:
    """How each of the compiled losses is reduced."""
    given = keras.tree.flatten(compiled._user_loss)
    return [getattr(loss, "reduction", MEAN) for loss in given if loss is not None]


def has_mask(predictions: Any) -> bool:
    """Whether some of the predictions' positions are padding."""
    parts = keras.tree.flatten(predictions)
    return any(getattr(part, "_keras_mask", None) is not None for part in parts)


def track(trackers: Mapping[str, keras.metrics.Mean], parts: Parts, x: Any) -> None:
    """Count the parts of a step's loss in the logs.

    Args:
        trackers: by the parts' names.
        parts: of the step.
        x: the batch, for its number of examples.
    """
    # Keras divided by the number of replicas, whose gradients are summed;
    # what people read is the mean.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    first = next(part for part in keras.tree.flatten(x) if part is not None)
    batch = current_batch()
    examples = ops.shape(first)[0] if batch is None else batch.examples
    values = {name: value * replicas for name, value in parts.values.items()}
    for name, value in (values | parts.notes).items():
        trackers[name].update_state(value, sample_weight=examples)
