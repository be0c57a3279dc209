"""What the student sees besides the batch itself: attacked, augmented, masked.

A view is made before the step's forward passes; the student then runs on it as well,
and its features stand beside the plain ones as `"<view>/<tap>"`.
"""

from __future__ import annotations

import abc
import dataclasses
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
from keras import ops

from keras_kd.registration import register
from keras_kd.taps import FeatureExtractor, find_layer, is_output
from keras_kd.types import OUTPUT, Features, Tap


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is known of a batch when its views are made.

    Attributes:
        student: the model that will see the view.
        labels: the batch's labels, or None.
        teacher: the teacher's features of the batch; None where the teacher is the
            student itself.
        seed: int32 tensor `(2,)` for stateless random operations; another one in each
            step and each view, the same after a resume.
    """

    student: keras.Model
    labels: Any
    teacher: Features | None
    seed: Any


class View(abc.ABC):
    """Another look at a batch, for the student.

    A subclass gives `make`, and `get_config` for its arguments.
    """

    @abc.abstractmethod
    def make(self, x: Any, seen: Seen) -> Any:
        """The batch as this view shows it.

        Args:
            x: a batch, as the student takes it.
            seen: `Seen`, what is known of the batch.

        Returns:
            The structure, shapes and types of `x`.
        """

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """Layers that make it, for the Distiller to keep track of."""
        return []

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes to make this anew."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> View:
        return cls(**config)


@register
class LayerView(View):
    """A view made by a layer, such as `keras.layers.RandomFlip`, or by a function.

    Args:
        make: layer, called with `training=True`; or a function of the batch, made of
            tensor operations.
    """

    def __init__(self, make: Any):
        if isinstance(make, dict):
            make = keras.saving.deserialize_keras_object(make)
        if not callable(make):
            raise TypeError(
                "A view is a View, a layer or a function of the batch. "
                f"Received: {make!r}."
            )
        self.function: Callable = make

    def make(self, x, seen):
        if isinstance(self.function, keras.layers.Layer):
            return self.function(x, training=True)
        return self.function(x)

    @property
    def layers(self):
        kept = isinstance(self.function, keras.layers.Layer)
        return [self.function] if kept else []

    def get_config(self):
        return {"make": keras.saving.serialize_keras_object(self.function)}


def as_views(views: Mapping[str, Any] | None) -> dict[str, View]:
    """Views by name; layers and functions are wrapped.

    Raises:
        ValueError: where a name cannot stand in a tap.
        TypeError: where one makes no view.
    """
    given = dict(views or {})
    for name in given:
        if not isinstance(name, str) or not name or "/" in name or is_output(name):
            raise ValueError(
                "The name of a view begins its taps, as in 'flipped/output': it must "
                f"be a word without '/', and not 'output'. Received: {name!r}."
            )
    return {
        name: view if isinstance(view, View) else LayerView(view)
        for name, view in given.items()
    }


class StudentFeatures:
    """The student's features of a batch, and of its views.

    Args:
        student: a built model.
        taps: those of the batch, `"block_2"`, and of views, `"flipped/block_2"`.
        views: the views' names.

    Raises:
        ValueError: where a tap is not there, a view has the name of a layer, or is
            read by nobody.
    """

    def __init__(
        self, student: keras.Model, taps: Iterable[Tap], views: Iterable[str] = ()
    ):
        wanted: dict[str, list[Tap]] = {name: [] for name in views}
        plain: list[Tap] = []
        for tap in taps:
            view, _, inner = tap.partition("/")
            (wanted[view] if view in wanted else plain).append(
                (inner or OUTPUT) if view in wanted else tap
            )
        for view, inside in wanted.items():
            _refuse_layer(student, view)
            if not inside:
                raise ValueError(
                    f"No term reads the view {view!r}: name a tap of it, such as "
                    f"student='{view}/output'."
                )
        self._plain = FeatureExtractor(student, plain)
        self._views = {
            view: FeatureExtractor(student, inside) for view, inside in wanted.items()
        }

    def __call__(
        self, x: Any, views: Mapping[str, Any] | None = None, training: bool = False
    ) -> dict[Tap, Any]:
        """One pass over the batch, and one over each of its views.

        Args:
            x: a batch, as the student takes it.
            views: the batch as each view shows it; the student does not look at one
                that is missing. Defaults to None: as it is.
            training: bool, handed to the model. Defaults to False.
        """
        features = dict(self._plain(x, training=training))
        for view, extractor in self._views.items():
            if views is not None and view not in views:
                continue
            seen = extractor(x if views is None else views[view], training=training)
            features |= {f"{view}/{tap}": value for tap, value in seen.items()}
        return features

    def spec(self, x: Any, training: bool = False) -> dict[Tap, Any]:
        """The features' shapes, for `keras.KerasTensor`s in place of a batch."""
        features = dict(self._plain.spec(x, training))
        for view, extractor in self._views.items():
            seen = extractor.spec(x, training)
            features |= {f"{view}/{tap}": value for tap, value in seen.items()}
        return features


def _refuse_layer(student, view):
    try:
        find_layer(student, view)
    except ValueError:
        return
    raise ValueError(
        f"A view has the name of the student's layer {view!r}, so its taps would mean "
        "two things: give the view another name."
    )


def read_by(views: Mapping[str, View], taps: Iterable[Tap]) -> dict[str, View]:
    """The views that these taps are of."""
    names = {tap.partition("/")[0] for tap in taps}
    return {name: view for name, view in views.items() if name in names}


def of_view(tap: Tap, views: Iterable[str]) -> Tap:
    """A tap without the name of the view it begins with, if it does."""
    view, _, inner = tap.partition("/")
    return (inner or OUTPUT) if view in views else tap


def views_of(
    views: Mapping[str, View],
    x: Any,
    student: keras.Model,
    labels: Any,
    teacher: Features | None,
    optimizer: Any,
) -> dict[str, Any]:
    """The batch as each view shows it; no gradient flows back through its making.

    Args:
        views: by name.
        x: a batch, as the student takes it.
        student, labels, teacher: as in `Seen`.
        optimizer: whose step count the seeds follow; None counts as step 0.
    """
    step = 0 if optimizer is None else optimizer.iterations
    made = {}
    for name, view in views.items():
        # By the name: which others are made must not change what is random in it.
        seed = ops.stack([ops.cast(step, "int32"), zlib.crc32(name.encode()) >> 1])
        seen = view.make(x, Seen(student, labels, teacher, seed))
        made[name] = keras.tree.map_structure(ops.stop_gradient, seen)
    return made
