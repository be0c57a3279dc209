"""The supervised part of a step, and what is tracked of all parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_kd.hyperparameters import Hyperparameter
from keras_kd.objective.total import Parts


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
        return compiled(labels, predictions, sample_weight)
    if weight is not None:
        with tf.init_scope():
            wanted = float(weight)
        if wanted:
            raise ValueError(
                f"The batch has no labels, and hard_loss_weight is {wanted}: "
                "pass `y`, or `hard_loss_weight=0`."
            )
    return ops.zeros(())


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
    examples = ops.shape(first)[0]
    values = {name: value * replicas for name, value in parts.values.items()}
    for name, value in (values | parts.notes).items():
        trackers[name].update_state(value, sample_weight=examples)
