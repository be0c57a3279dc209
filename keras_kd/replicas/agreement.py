"""What all workers must have in common before they train together."""

from __future__ import annotations

import zlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def of_all_workers(strategy: Any, values: Any) -> np.ndarray:
    """What each replica's worker says, in every worker.

    Args:
        strategy: a `tf.distribute` strategy of N replicas.
        values: a list of whole numbers, as many in each worker.

    Returns:
        Array `(N, len(values))` of int64.
    """
    own = tf.constant(values, "int64")

    @tf.function(autograph=False)
    def tell():
        def in_replica():
            context = tf.distribute.get_replica_context()
            count = strategy.num_replicas_in_sync
            rank = tf.cast(context.replica_id_in_sync_group, "int32")
            row = tf.one_hot(rank, count, dtype="int64")[:, None] * own
            return context.all_reduce(tf.distribute.ReduceOp.SUM, row)

        return strategy.experimental_local_results(strategy.run(in_replica))[0]

    return tell().numpy()


class Agreeing(keras.callbacks.Callback):
    """Refuses to train where workers start from different states.

    It comes after the callbacks that load weights and set the epoch.
    """

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return  # one process: its replicas are copies of one variable
        state = states(self.model)
        said = of_all_workers(strategy, list(state.values()))
        differing = [
            name
            for name, column in zip(state, said.T, strict=True)
            if len(set(column.tolist())) > 1
        ]
        if differing:
            raise ValueError(
                f"The workers disagree about {' and '.join(differing)} before the "
                "first step: let each build its models within `strategy.scope()` from "
                "one seed, load the same files, and resume by "
                "`keras_kd.replicas.Backup`."
            )


def states(model: Any) -> dict[str, int]:
    """Whole numbers that differ where the workers do."""
    teachers = getattr(getattr(model, "teacher", None), "models", ())
    optimizer = model.optimizer.variables if model.optimizer else ()
    return {
        "the weights": checksum(model.weights),
        "the teacher": checksum([w for teacher in teachers for w in teacher.weights]),
        "the optimizer": checksum(optimizer),
        "the epoch": int(model._initial_epoch or 0),
    }


def checksum(variables: Any) -> int:
    """Of the bytes of all values."""
    code = 0
    for variable in variables:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        code = zlib.crc32(value.tobytes(), code)
    return code
