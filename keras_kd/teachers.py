"""Where teacher features come from: one model, several, or the student itself."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_kd.layers.feature_adapter import resize_map
from keras_kd.probabilities import ends_in_probabilities, log_probabilities
from keras_kd.taps import FeatureExtractor, is_output, require_built, symbolically
from keras_kd.types import OUTPUT, Features, Tap
from keras_kd.validation import callable_or_none, non_negative, one_of
from keras_kd.validation import size as checked_size


class Teacher(abc.ABC):
    """Anything that turns a batch into teacher features.

    A subclass gives `features`. A teacher is a plain object and not a layer: the
    Distiller neither tracks nor saves what it holds.
    """

    name: str = "teacher"

    runs_ahead: bool = False
    """Whether it best runs while the step before it trains, several batches at once."""

    def __call__(
        self, x: Any, taps: Sequence[Tap] = (OUTPUT,), student: Features | None = None
    ) -> dict[Tap, Any]:
        """The teacher's features for a batch; no gradient flows into them.

        Args:
            x: a batch, as the student takes it.
            taps: which of the teacher's features are wanted.
            student: what the student left at its taps, for a teacher that needs
                it.

        Returns:
            Dict from tap to tensor, always with `"output"`.
        """
        features = self.features(x, tuple(taps), student)
        return {
            tap: keras.tree.map_structure(ops.stop_gradient, value)
            for tap, value in features.items()
        }

    @abc.abstractmethod
    def features(
        self, x: Any, taps: tuple[Tap, ...], student: Features | None
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


class FrozenTeacher(Teacher):
    """One trained model, run in inference mode at its own resolution and precision.

    The model is left as it was: weights, statistics, `trainable`.

    Args:
        model: a built `keras.Model`.
        preprocess: function of a batch, applied before the model, such as
            `keras.applications.resnet50.preprocess_input`, where the teacher's
            input differs from the student's. Defaults to None.
        size: `(height, width)` to which the images of a batch are resized before
            `preprocess`, or None. Defaults to None.
        from_probabilities: bool. The model ends in a softmax: its logarithm is
            taken, which serves as logits. Defaults to False.

    Example:

    ```python
    teacher = FrozenTeacher(resnet, preprocess=preprocess_input, size=(224, 224))
    teacher(images)["output"]  # logits
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: Callable | None = None,
        size: int | tuple[int, int] | None = None,
        from_probabilities: bool = False,
    ):
        require_built(model)
        self.model = model
        self.name = model.name
        self.preprocess = callable_or_none("preprocess", preprocess)
        self.size = None if size is None else checked_size("size", size)
        self.from_probabilities = bool(from_probabilities)

    def features(self, x, taps, student=None):
        if self.size is not None:
            x = keras.tree.map_structure(self._resize, x)
        if self.preprocess is not None:
            x = self.preprocess(x)
        features = dict(FeatureExtractor(self.model, taps)(x, training=False))
        if self.from_probabilities:
            for tap in filter(is_output, features):
                features[tap] = keras.tree.map_structure(
                    log_probabilities, features[tap]
                )
        return features

    @property
    def models(self):
        return (self.model,)

    def gives_probabilities(self, tap):
        if is_output(tap) and self.from_probabilities:
            return False
        return ends_in_probabilities(self.model, tap)

    def _resize(self, x):
        is_map = len(x.shape) == 4
        return resize_map(ops.cast(x, "float32"), self.size) if is_map else x


COMBINATIONS = ("logits", "probabilities")


class EnsembleTeacher(Teacher):
    """Several teachers; their combined logits are the output.

    A member's own feature is the tap `"name/tap"`: `"resnet/output"`,
    `"resnet/conv4_block6_out"`.

    Args:
        members: dict from name to a `keras.Model` or teacher, or a list of
            models, which then go by their own names.
        combine: `"logits"` (the mean of the logits), `"probabilities"` (the
            logarithm of the mean of their softmax), or a function of the list of
            the members' outputs. Defaults to `"logits"`.
        weights: dict from name to a non-negative weight in that mean; they are
            scaled to sum to one. Defaults to None: equal.

    Raises:
        ValueError: without members, or with an unknown name in `weights`.

    Example:

    ```python
    teacher = EnsembleTeacher({"wide": wide, "deep": FrozenTeacher(deep, size=64)})
    ```

    Reference:
        Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
        https://arxiv.org/abs/1503.02531
    """

    name = "ensemble"

    def __init__(
        self,
        members: Mapping[str, Any] | Sequence[Any],
        combine: str | Callable = "logits",
        weights: Mapping[str, float] | None = None,
    ):
        if not isinstance(members, Mapping):
            members = {member.name: member for member in members}
        if not members:
            raise ValueError("`members` must name at least one teacher. Received none.")
        self.members = {name: as_teacher(member) for name, member in members.items()}
        self.combine = (
            combine if callable(combine) else one_of("combine", combine, COMBINATIONS)
        )
        for name in weights or ():
            one_of("weights", name, self.members)
        given = {name: (weights or {}).get(name, 1.0) for name in self.members}
        total = sum(non_negative(f"weights[{n!r}]", w) for n, w in given.items())
        if not total:
            raise ValueError(f"`weights` must not all be 0. Received: {weights}.")
        self.weights = {name: weight / total for name, weight in given.items()}

    def features(self, x, taps, student=None):
        wanted: dict[str, list[Tap]] = {name: [] for name in self.members}
        for tap in taps:
            if not is_output(tap):
                name, _, inner = tap.partition("/")
                wanted[one_of("teacher tap", name, self.members)].append(inner)
        features = {}
        for name, member in self.members.items():
            for tap, value in member(x, wanted[name], student).items():
                features[f"{name}/{tap}"] = value
        features[OUTPUT] = self._combined(
            [features[f"{name}/{OUTPUT}"] for name in self.members]
        )
        return features

    def student_taps(self, taps):
        return tuple(t for m in self.members.values() for t in m.student_taps(taps))

    @property
    def models(self):
        return tuple(model for m in self.members.values() for model in m.models)

    def gives_probabilities(self, tap):
        if is_output(tap):
            return any(m.gives_probabilities(tap) for m in self.members.values())
        name, _, inner = tap.partition("/")
        return self.members[name].gives_probabilities(inner or OUTPUT)

    def _combined(self, outputs):
        if callable(self.combine):
            return self.combine(outputs)
        if self.combine == "logits":
            return self._mean([ops.cast(z, "float32") for z in outputs])
        probabilities = [ops.softmax(ops.cast(z, "float32")) for z in outputs]
        return log_probabilities(self._mean(probabilities))

    def _mean(self, tensors):
        return sum(
            weight * x for weight, x in zip(self.weights.values(), tensors, strict=True)
        )


class SelfTeacher(Teacher):
    """The student as its own teacher: deeper taps teach shallower ones.

    The features come from the student's own training pass, so nothing runs twice.

    Example:

    ```python
    Distiller(
        SelfTeacher(),
        student,
        [DistillationTerm(KLDistillation(), student="exit_1", teacher="output")],
    )
    ```

    Reference:
        Zhang et al. Be Your Own Teacher. ICCV 2019.
        https://arxiv.org/abs/1905.08094
    """

    name = "self"

    def features(self, x, taps, student=None):
        if student is None:
            raise ValueError("SelfTeacher needs the student's features of the batch.")
        return {tap: student[tap] for tap in dict.fromkeys((OUTPUT, *taps))}

    def spec(self, x, taps, student=None):
        return self.features(x, tuple(taps), student)

    def student_taps(self, taps):
        return tuple(taps)


def as_teacher(teacher: Any) -> Teacher:
    """A teacher as it is, a model as a `FrozenTeacher`.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(teacher, Teacher):
        return teacher
    if isinstance(teacher, keras.Model):
        return FrozenTeacher(teacher)
    raise TypeError(
        "`teacher` must be a keras.Model, a FrozenTeacher, EnsembleTeacher or "
        f"SelfTeacher, or None where all targets come stored. Received: {teacher!r}."
    )
