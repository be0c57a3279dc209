"""Keras's training, with the same numbers on several replicas as on one."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from keras_kd.replicas.agreement import Agreeing
from keras_kd.replicas.batch import own_rows, sharing
from keras_kd.replicas.cures import (
    LossMean,
    as_rows,
    cure_optimizer,
    first_of,
    of_workers,
)


class Replicated:
    """Mixed into a `keras.Model` that may be made under a `tf.distribute` strategy.

    On a single device it does nothing. `compute_loss` finds the global batch by
    `current_batch`.
    """

    distribute_strategy: Any
    _distribute_strategy: Any
    steps_per_execution: int

    @property
    def replicas(self) -> int:
        """How many devices train together."""
        return self.distribute_strategy.num_replicas_in_sync

    def compile(self, *args: Any, **kwargs: Any) -> None:
        several = self.replicas > 1
        if several and kwargs.get("jit_compile") is True:
            raise ValueError(
                "jit_compile=True does not work under several replicas: leave it at "
                "'auto'. Received: jit_compile=True and "
                f"{self.replicas} replicas."
            )
        super().compile(*args, **kwargs)  # type: ignore[misc]
        if several:
            self._one_step_at_a_time()
            # As Keras sets its own: not among the layer's metrics, which would count it
            # a second time.
            object.__setattr__(self, "_loss_tracker", LossMean(name="loss"))
            cure_optimizer(self.optimizer)  # type: ignore[attr-defined]

    def fit(self, *args: Any, **given: Any) -> Any:
        if self.replicas > 1:
            callbacks = given.get("callbacks")
            if isinstance(callbacks, keras.callbacks.CallbackList):
                callbacks.append(Agreeing())
            else:
                given["callbacks"] = [*keras.tree.flatten(callbacks or []), Agreeing()]
        return super().fit(*args, **given)  # type: ignore[misc]

    def _one_step_at_a_time(self) -> None:
        steps = self.steps_per_execution
        if of_workers(self.distribute_strategy) and steps > 1:
            warnings.warn(
                "Several workers cannot meet in a loop of the graph: "
                f"steps_per_execution={steps} is taken as 1, with the same numbers.",
                stacklevel=4,
            )
            self.steps_per_execution = 1

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None):
        y, y_pred, sample_weight = own_rows((y, y_pred, sample_weight))
        return super().compute_metrics(x, y, y_pred, sample_weight)  # type: ignore[misc]

    def _make_function(self, step_function: Any) -> Any:
        if self.replicas == 1:
            return super()._make_function(step_function)  # type: ignore[misc]

        def shared_step(data):
            with sharing(data) as part:
                return as_rows(step_function(part))

        return super()._make_function(shared_step)  # type: ignore[misc]

    def _get_metrics_result_or_logs(self, logs: Any) -> Any:
        if self.replicas == 1:
            return super()._get_metrics_result_or_logs(logs)  # type: ignore[misc]
        # Of a step the logs are the mean of what each replica has seen.
        results = self.get_metrics_result()  # type: ignore[attr-defined]
        return {key: results.get(key, value) for key, value in logs.items()}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None):
        if self._distribute_strategy is None:
            return
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = first_of(self._distribute_strategy, next(batches))
        with self._distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)  # type: ignore[attr-defined]
