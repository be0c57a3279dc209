"""What each regime gets, and what it is to give."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..boards import LABELS, Board, Images
from ..networks import Network


@dataclasses.dataclass
class Setting:
    """Images, a trained teacher, and one budget for all.

    Args:
        board: gives the networks and the training.
        images: what there is to learn from, and the test.
        teacher: trained, in logits.
        seed: int.
    """

    board: Board
    images: Images
    teacher: keras.Model
    seed: int
    passes: float = 0.0
    """Epochs trained so far, over all of `fit`."""

    @property
    def classes(self) -> int:
        return self.board.data.classes

    @property
    def x(self) -> np.ndarray:
        """Images to learn from."""
        return self.images.x[self.images.rows]

    @property
    def y(self) -> np.ndarray:
        """Their labels."""
        return self.images.y[self.images.rows]

    @property
    def x_test(self) -> np.ndarray:
        return self.images.x_test

    @property
    def y_test(self) -> np.ndarray:
        return self.images.y_test

    def student(self, name: str = "student") -> keras.Model:
        """A new student, untrained, with taps `stage_1` … `embedding`, `logits`."""
        return self._built(self.board.student, name)

    def network(self, width: float, name: str) -> keras.Model:
        """The student's kind, `width` times as wide."""
        widths = tuple(max(1, round(width * w)) for w in self.board.student.widths)
        return self._built(dataclasses.replace(self.board.student, widths=widths), name)

    def other_kind(self, kind: str, width: int, name: str) -> keras.Model:
        """A `"mobilenet"`, `"resnet"` or `"vit"`, all stages `width` wide."""
        return self._built(Network(kind, (width,) * 3, strides=1), name)

    def fit(
        self,
        model: keras.Model,
        x: Any = None,
        y: Any = None,
        epochs: int | None = None,
        loss: Any = LABELS,
        callbacks: Any = None,
    ) -> keras.Model:
        """Compile and train a model or a Distiller at the board's budget.

        Args:
            model: what is trained.
            x, y: other data. Defaults to None: `self.x` and `self.y`.
            epochs: int. Defaults to None: the board's.
            loss: a Keras loss, or None. Defaults to the cross-entropy with labels.
            callbacks: as in `keras.Model.fit`.

        Returns:
            The model.
        """
        x = self.x if x is None else x
        y = self.y if y is None else y
        epochs = epochs or self.board.learning.epochs
        budget = dataclasses.replace(self.board.learning, epochs=epochs)
        budget.compiled(model, len(x), loss)
        budget.fit(model, x, y, self.seed, callbacks)
        self.passes += epochs
        return model

    def accuracy(self, model: keras.Model) -> float:
        """The share of test images whose largest logit is that of their class."""
        logits = np.concatenate(
            [
                np.asarray(model(self.x_test[start : start + 500], training=False))
                for start in range(0, len(self.x_test), 500)
            ]
        )
        return float(np.mean(logits.argmax(-1) == self.y_test))

    def _built(self, network: Network, name: str) -> keras.Model:
        return network.build(name, self.board.data.image_shape, self.classes)


@dataclasses.dataclass(frozen=True)
class Regime:
    """One line of the table.

    Args:
        name: str, in snake case.
        about: str, what it is in one line.
        run: function of a `Setting` that returns the student to deploy, or that and
            further figures: a dict from words such as `"its teacher {:.1%}"` to a
            number, of which the table has the mean.
    """

    name: str
    about: str
    run: Callable[[Setting], Any]
    topic: str


_FOUND: dict[str, Regime] = {}


def regime(name: str, about: str) -> Callable:
    """Enter a function of a `Setting` as a regime."""

    def entered(run: Callable[[Setting], Any]) -> Callable[[Setting], Any]:
        topic = run.__module__.rpartition(".")[-1]
        _FOUND[name] = Regime(name, about, run, topic)
        return run

    return entered


@functools.cache
def regimes() -> dict[str, Regime]:
    """All of them by name, in the order of the files."""
    folder, package = str(Path(__file__).parent), __package__
    for module in sorted(pkgutil.iter_modules([folder]), key=lambda m: m.name):
        importlib.import_module(f"{package}.{module.name}")
    return dict(_FOUND)
