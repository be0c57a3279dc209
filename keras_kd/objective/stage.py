"""A part of a training: which terms count, which of the student's layers train.

A stage is a matter of the traced step alone. The layers that it holds are frozen
while the step is traced and as they were right after, so that checkpoints, saved
files and the optimizer know nothing of stages.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from keras_kd.taps import find_layer
from keras_kd.types import Tap
from keras_kd.validation import did_you_mean, listing, positive_int

ALL = "all"


@dataclasses.dataclass(frozen=True)
class Stage:
    """What counts, and what trains, for some epochs.

    Args:
        epochs: int, how many. Defaults to None: to the end, for a last stage.
        terms: names of the terms that count, or `"all"`. The others are not
            computed, nor is the teacher where none counts. Defaults to `"all"`.
        layers: paths of the student's layers that train, as taps name them, such
            as `"backbone/block_1"`; the others stay as they are, with the
            statistics of their batch normalization. Defaults to None: all.
        hard_loss: bool, whether the hard loss counts. Defaults to True.

    Example:

    ```python
    Stage(epochs=3, terms=["hint_block_2"], layers=["stem"], hard_loss=False)
    ```
    """

    epochs: int | None = None
    terms: str | Sequence[str] = ALL
    layers: Sequence[Tap] | None = None
    hard_loss: bool = True

    def __post_init__(self):
        if self.epochs is not None:
            positive_int("epochs", self.epochs)
        if self.terms != ALL:
            _check_names("terms", self.terms, "'all'")
        if self.layers is not None:
            _check_names("layers", self.layers, "None")
        if not self.hard_loss and self.terms != ALL and not self.terms:
            raise ValueError(
                "A Stage needs something to learn from: `terms` or `hard_loss`. "
                "Received: terms=[], hard_loss=False."
            )

    @property
    def whole(self) -> bool:
        """Whether everything counts, and everything trains."""
        return self.terms == ALL and self.layers is None and self.hard_loss

    def picks(self, name: str) -> bool:
        """Whether a term counts."""
        return self.terms == ALL or name in self.terms

    def check(self, student: keras.Model, terms: Iterable[keras.layers.Layer]) -> None:
        """Refuse names that are not there.

        Raises:
            ValueError: with the names that are, and the nearest.
        """
        known = [term.name for term in terms]
        for name in () if self.terms == ALL else self.terms:
            if name not in known:
                raise ValueError(
                    f"Term {name!r} of a Stage not found in the Distiller. Available: "
                    f"{listing(known)}.{did_you_mean(name, known)}"
                )
        for path in self.layers or ():
            if not find_layer(student, path).weights:
                raise ValueError(
                    f"Layer {path!r} of a Stage has no weights to train in "
                    f"{student.name!r}: name a layer that has."
                )


class Narrowing:
    """Freezes, while a step is traced, what a stage does not train.

    Replicas trace in threads of their own and share the model: the first one in
    freezes, the last one out restores.
    """

    def __init__(self, student: keras.Model, terms: Sequence[keras.layers.Layer]):
        self.student = student
        self.terms = terms
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Within the block, only what `stage` names is trainable."""
        if stage.whole:
            yield
            return
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._freeze(stage)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._restore.close()

    def _freeze(self, stage):
        student = self.student
        idle = [term for term in self.terms if not stage.picks(term.name)]
        for layer in (student, *idle):
            self._restore.callback(restore_trainable, trainable_flags(layer))
        for term in idle:
            term.trainable = False
        if stage.layers is not None:
            keep_trainable(student, [find_layer(student, p) for p in stage.layers])
        # What lies behind the last tap that counts learns nothing, as it should.
        self._restore.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Gradients do not exist for variables")


def keep_trainable(
    model: keras.layers.Layer, layers: Iterable[keras.layers.Layer]
) -> None:
    """Freeze all of a model's layers but these and those that hold them."""
    kept = {id(v) for layer in layers for v in layer.weights}
    for layer in model._flatten_layers():
        if layer.weights and not any(id(v) in kept for v in layer.weights):
            layer.trainable = False
    for variable in model.trainable_weights:
        if id(variable) not in kept:  # held directly by what also holds a kept layer
            variable.trainable = False


def trainable_flags(layer: keras.layers.Layer) -> list[tuple[Any, bool]]:
    """What `restore_trainable` takes: layers from the outside in, then variables."""
    layers = sorted(
        layer._flatten_layers(),
        key=lambda part: len(list(part._flatten_layers())),
        reverse=True,
    )
    return [(part, part.trainable) for part in (*layers, *layer.weights)]


def restore_trainable(flags: list[tuple[Any, bool]]) -> None:
    """Set `trainable` as it was: a layer's own setter also sets what it holds."""
    for part, trainable in flags:
        part.trainable = trainable


def _check_names(argument, value, otherwise):
    listed = isinstance(value, (list, tuple))
    if not listed or not all(isinstance(name, str) for name in value):
        raise TypeError(
            f"`{argument}` must be a list of names, or {otherwise}. Received: "
            f"{argument}={value!r}."
        )
