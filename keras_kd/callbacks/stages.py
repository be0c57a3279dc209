"""A curriculum: first the low features, then the high, then the logits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import keras

from keras_kd.objective.stage import Stage


class Stages(keras.callbacks.Callback):
    """Trains in stages: which terms count, which layers train, for how many epochs.

    A term that is off costs nothing: it is not in the graph, and the teacher does
    not run where no term is on. What is frozen does not move at all, neither by
    weight decay nor in the statistics of batch normalization, and the optimizer
    keeps its momenta for later. Each stage is traced once, at its beginning.

    The stage follows the epoch, so `initial_epoch` and `BackupAndRestore` enter the
    right one. Stages leave no trace in saved files, and the Distiller is as before
    when `fit` returns.

    Logs have the number of the `stage`, from 0, and NaN for what is off. Put
    `CSVLogger` after this callback.

    Args:
        stages: list of `Stage`. Each but the last needs `epochs`; the last goes on
            to the end.

    Raises:
        ValueError: without stages or their epochs; at the beginning of `fit`, for a
            term or layer that is not there.

    Example:

    The two stages of FitNets: the layers up to the hint follow it, then all learn.

    ```python
    distiller = keras_kd.Distiller(
        teacher,
        student,
        keras_kd.methods.fitnets({"backbone/block_1": "body"})
        + keras_kd.methods.hinton(),
    )
    distiller.compile("adam", loss)
    stages = Stages(
        [
            Stage(
                epochs=1,
                terms=["hint_backbone_block_1"],
                layers=["backbone/block_1"],
                hard_loss=False,
            ),
            Stage(terms=["kl_distillation"]),
        ]
    )
    distiller.fit(images, labels, epochs=2, callbacks=[stages])
    ```

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio. FitNets: Hints for Thin
        Deep Nets. ICLR 2015. https://arxiv.org/abs/1412.6550
    """

    def __init__(self, stages: Sequence[Stage]):
        super().__init__()
        self.stages = list(stages)
        if not self.stages or not all(isinstance(s, Stage) for s in self.stages):
            raise ValueError(
                f"`stages` must be a non-empty list of Stage. Received: {stages!r}."
            )
        if any(stage.epochs is None for stage in self.stages[:-1]):
            raise ValueError(
                "Each Stage but the last needs `epochs`. Received: "
                f"epochs={[stage.epochs for stage in self.stages]}."
            )
        lengths = [stage.epochs or math.inf for stage in self.stages]
        self._ends = list(itertools.accumulate(lengths))

    def index_at(self, epoch: int) -> int:
        """The number of the stage that an epoch belongs to, both from 0."""
        ended = sum(epoch >= end for end in self._ends)
        return min(ended, len(self.stages) - 1)

    def on_train_begin(self, logs=None):
        if not hasattr(self.model, "enter"):
            raise TypeError(f"Stages are of a Distiller. Received: {self.model!r}.")
        for stage in self.stages:
            stage.check(self.model.student, self.model.terms)

    def on_epoch_begin(self, epoch, logs=None):
        self.model.enter(self.stages[self.index_at(epoch)])

    def on_epoch_end(self, epoch, logs=None):
        if logs is None:
            return
        logs["stage"] = self.index_at(epoch)
        on = self.model.objective.entries(self.model.stage)
        off = set(self.model.objective.entries()) - set(on)
        logs.update({name: math.nan for name in off if name in logs})
