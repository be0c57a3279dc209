"""What a teacher is: it turns a batch into features at taps."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.taps import symbolically
from keras_kd.types import OUTPUT, Features, Tap

WEIGHTS = "weights"
"""The tap where several teachers say how much each counts: `(batch, teachers)`."""


class Teacher(abc.ABC):
    """Anything that turns a batch into teacher features.

    A subclass gives `features`. A teacher is a plain object and not a layer: the
    Distiller neither tracks nor saves what it holds.
    """

    name: str = "teacher"

    uses_labels: bool = False
    """Whether `features` takes the batch's `labels` as a fourth argument."""

    saved: bool = False
    """Whether the Distiller saves it, by its `get_config`. Others are handed in."""

    @property
    def layer(self) -> keras.layers.Layer | None:
        """What of it changes while the student learns; the Distiller saves it, and
        trains what is trainable in it."""
        return None

    def attach(self, student: keras.Model) -> None:
        """Get to know the student, before anything else is asked."""
        return None

    def own_loss(self, features: Features, labels: Any, sample_weight: Any) -> Any:
        """A scalar that what is trainable in `layer` learns by, or None.

        Args:
            features: what it gave for the batch.
            labels, sample_weight: the batch's, or None.

        Returns:
            The mean over the batch, as a Keras loss gives it under several replicas.
        """
        return None

    def after_step(self, student: keras.Model) -> None:
        """Follow the student, whose weights have just been updated."""
        return None

    def each(self, tap: Tap) -> tuple[Tap, ...]:
        """The taps that a term at `tap` is compared with one by one, each example by
        the weights in the columns of the tap `"weights"`; none: with `tap` itself."""
        return ()

    @property
    def runs_ahead(self) -> bool:
        """Whether it best labels batches before the step that trains on them, several
        at once; it must not need the student then.
        """
        return False

    def __call__(
        self,
        x: Any,
        taps: Sequence[Tap] = (OUTPUT,),
        student: Features | None = None,
        labels: Any = None,
    ) -> dict[Tap, Any]:
        """The teacher's features for a batch; no gradient flows into them.

        Args:
            x: a batch, as the student takes it.
            taps: which of the teacher's features are wanted.
            student: what the student left at its taps, for a teacher that needs
                it.
            labels: the batch's, for a teacher that uses them.

        Returns:
            Dict from tap to tensor, always with `"output"`.
        """
        more = (labels,) if self.uses_labels else ()
        return frozen(self.features(x, tuple(taps), student, *more))

    def only(self, x: Any, taps: Sequence[Tap]) -> dict[Tap, Any]:
        """The features at these taps and no others, the output neither.

        Args:
            x: a batch, as the student takes it.
            taps: which are wanted.

        Returns:
            Dict from these taps to tensors.
        """
        features = self(x, taps)
        return {tap: features[tap] for tap in taps}

    def get_ready(self, spec: Any, taps: Sequence[Tap]) -> None:
        """Do what is better done before a run of many batches.

        Args:
            spec: `tf.TensorSpec`s of a batch, its size included.
            taps: what will be wanted of each.
        """
        return None

    @abc.abstractmethod
    def features(
        self, x: Any, taps: tuple[Tap, ...], student: Features | None, *labels: Any
    ) -> Features:
        """The features of one pass, in inference mode."""

    def spec(
        self, x: Any, taps: Sequence[Tap], student: Features | None = None
    ) -> Features:
        """The features' shapes, for `keras.KerasTensor`s in place of a batch."""
        return symbolically(lambda x: self(x, taps, student), x)

    def student_taps(self, taps: Sequence[Tap]) -> tuple[Tap, ...]:
        """Taps of the student that this teacher wants recorded as well."""
        return ()

    @property
    def models(self) -> tuple[keras.Model, ...]:
        """The models that teach."""
        return ()

    def gives_probabilities(self, tap: Tap) -> bool:
        """Whether a tap has passed a softmax, where a loss would want logits."""
        return False


def frozen(features: Features) -> dict[Tap, Any]:
    """Features through which no gradient flows."""
    return {
        tap: keras.tree.map_structure(ops.stop_gradient, value)
        for tap, value in features.items()
    }
