"""What Keras 3.15 does not do right under several replicas, put right in one place.

- The loss in the logs counts each replica's part by its examples.
- Gradients are clipped before they are summed; accumulation and the overwriting by
  averages end in an error.
- The batch that a model is built on, and the logs of several workers, are reduced in
  ways that end in an error.

These lean on private names of Keras's. A test tells when Keras has mended one.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import tensorflow as tf

from keras_kd.replicas.batch import current_batch, summed


class LossMean(keras.metrics.Mean):
    """The mean loss, of values that are scaled by their part of the global batch."""

    def update_state(self, values, sample_weight=None):
        batch = current_batch()
        even = sample_weight if batch is None else batch.examples
        return super().update_state(values, even)


def of_workers(strategy: Any) -> bool:
    """Whether the replicas are in several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def first_of(strategy: Any, batch: Any) -> Any:
    """One replica's part of a distributed batch, to build a model on."""
    return tf.nest.map_structure(
        lambda part: strategy.experimental_local_results(part)[0], batch
    )


def as_rows(logs: dict[str, Any]) -> dict[str, Any]:
    """Scalars as vectors of one value, along whose axis workers reduce them."""
    if not of_workers(tf.distribute.get_strategy()):
        return logs
    return {key: tf.reshape(value, (1,)) for key, value in logs.items()}


def cure_optimizer(optimizer: Any) -> None:
    """Let an optimizer sum the replicas' gradients before it does anything else."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return  # it looks at the gradients by itself
    optimizer._backend_apply_gradients = functools.partial(_apply, optimizer)
    optimizer._all_reduce_sum_gradients = functools.partial(_summed_once, optimizer)


def _summed_once(optimizer, grads_and_vars):
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return list(grads_and_vars)  # summed by `_apply`
    return type(optimizer)._all_reduce_sum_gradients(optimizer, grads_and_vars)


def _apply(optimizer, gradients, variables):
    """As Keras's `_backend_apply_gradients`, of the sum of all replicas' gradients.

    What is done in some steps only is decided where all replicas meet: a branch of
    one replica cannot wait for the others.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        type(optimizer)._backend_apply_gradients(optimizer, gradients, variables)
        return
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    gradients = summed(gradients)
    steps = optimizer.gradient_accumulation_steps
    if not steps:
        _update(optimizer, optimizer._clip_gradients(gradients), variables)
    else:
        places = [optimizer._get_variable_index(v) for v in variables]
        kept = [optimizer._accumulated_gradients[place] for place in places]
        sums = [k + gradient for k, gradient in zip(kept, gradients, strict=True)]
        means = optimizer._clip_gradients([total / steps for total in sums])
        due = (optimizer._iterations + 1) % steps == 0
        context.merge_call(
            functools.partial(_accumulate, optimizer, kept, variables),
            args=(due, sums, means),
        )
    if optimizer.use_ema:
        optimizer._update_model_variables_moving_average(variables)
        if optimizer.ema_overwrite_frequency:
            due = (optimizer.iterations + 1) % optimizer.ema_overwrite_frequency == 0
            context.merge_call(
                functools.partial(_overwrite, optimizer, variables), args=(due,)
            )


def _update(optimizer, gradients, variables):
    optimizer._apply_weight_decay(variables)
    rate = optimizer.learning_rate
    optimizer._backend_update_step(gradients, variables, rate)


def _accumulate(optimizer, kept, variables, strategy, due, sums, means):
    """Where the replicas meet: an update with the mean, or the sum that is kept."""

    def keep(values):
        for variable, value in zip(kept, values, strict=True):
            strategy.extended.update(
                variable.value, lambda v, x: v.assign(x), args=(value,), group=False
            )

    def update():
        strategy.extended.call_for_each_replica(
            lambda *own: _update(optimizer, list(own), variables), args=tuple(means)
        )
        keep([tf.zeros(variable.shape, variable.dtype) for variable in kept])

    due = strategy.experimental_local_results(due)[0]
    tf.cond(due, update, lambda: keep(sums))


def _overwrite(optimizer, variables, strategy, due):
    due = strategy.experimental_local_results(due)[0]
    tf.cond(
        due,
        lambda: optimizer._overwrite_model_variables_with_average_value(variables),
        lambda: None,
    )
