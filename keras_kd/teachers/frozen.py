"""One trained model as a teacher, and the engine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_kd.engines.choice import AutoEngine
from keras_kd.engines.engine import ENGINES, Engine, arrays_of
from keras_kd.engines.folding import folding, folds
from keras_kd.engines.litert import LiteRTEngine
from keras_kd.engines.onnx import OnnxEngine
from keras_kd.engines.precision import POLICIES, in_float32, in_half_precision
from keras_kd.engines.traced import in_graph
from keras_kd.layers.feature_adapter import resize_map
from keras_kd.probabilities import ends_in_probabilities, log_probabilities
from keras_kd.taps import (
    FeatureExtractor,
    find_layer,
    is_output,
    output_features,
    require_built,
)
from keras_kd.teachers.teacher import Teacher, frozen
from keras_kd.types import OUTPUT, Tap
from keras_kd.validation import callable_or_none, one_of
from keras_kd.validation import size as checked_size

PRECISIONS = {
    None: ENGINES,
    "float16": ("tensorflow",),
    "bfloat16": ("tensorflow",),
    "int8": ("litert",),
}
"""The engines that have each precision."""

ROWS = 256
"""Rows at a time where a whole set of examples is compared."""


class FrozenTeacher(Teacher):
    """One trained model, run in inference mode at its own resolution and precision.

    The model is left as it was: weights, statistics, `trainable`. Only the part of it
    runs that the taps need.

    On a CPU, `engine="litert"` takes about four fifths of TensorFlow's time for the
    same float32 numbers (to 1e-6), and `Distiller.fit` then has it label the next
    batches while the student trains on this one. The model is converted where a set
    of taps and a batch size are first seen; `fit` and `prepare` do so again if its
    weights have changed since. Outside of `fit`, LiteRT and ONNX are called from
    inside the step, which `jit_compile=True` does not allow.

    Args:
        model: a built `keras.Model`.
        preprocess: function of a batch, applied before the model, such as
            `keras.applications.resnet50.preprocess_input`, where the teacher's
            input differs from the student's. Defaults to None.
        size: `(height, width)` to which the images of a batch are resized before
            `preprocess`, or None. Defaults to None.
        from_probabilities: bool. The model ends in a softmax: its logarithm is
            taken, which serves as logits. Defaults to False.
        engine: `"tensorflow"`; `"litert"`; `"onnx"` (extra `onnx`); or `"auto"`, the
            fastest of these on the first batch, which the logger `"keras_kd"` tells
            at level INFO. Defaults to `"tensorflow"`.
        precision: None for that of the model; `"float16"` or `"bfloat16"` (TensorFlow,
            for accelerators: a copy computes in mixed precision, its features are
            float32); or `"int8"` (LiteRT), after `calibrate`. Defaults to None.
        fold: bool. In TensorFlow too, BatchNorm is taken into the convolution or
            dense layer before it, which moves features by rounding alone (1e-6).
            Defaults to False: the other engines always do it.

    Raises:
        ValueError: where the engine or the precision is unknown, or the engine does
            not have that precision. At the first batch, where the engine cannot run
            the model.

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
        engine: str = "tensorflow",
        precision: str | None = None,
        fold: bool = False,
    ):
        require_built(model)
        self.model = model
        self.name = model.name
        self.preprocess = callable_or_none("preprocess", preprocess)
        self.size = None if size is None else checked_size("size", size)
        self.from_probabilities = bool(from_probabilities)
        self.fold = bool(fold)
        self.precision = one_of("precision", precision, PRECISIONS)
        self._half: keras.Model | None = None
        self.engine = engine

    @property
    def engine(self) -> str:
        """`"tensorflow"`, `"litert"`, `"onnx"` or `"auto"`; may be assigned."""
        return self._engine_name

    @engine.setter
    def engine(self, name: str) -> None:
        one_of("engine", name, ENGINES)
        able = PRECISIONS[self.precision]
        if name not in able:
            raise ValueError(
                f"precision={self.precision!r} needs engine={able[0]!r}. "
                f"Received: engine={name!r}."
            )
        self._engine_name = name
        self._engine: Engine | None = self._made(name)
        if self.precision in POLICIES and self._half is None:
            self._half = in_half_precision(self.model, self.precision)

    @property
    def chosen(self) -> str | None:
        """The engine that runs; None where `"auto"` has not seen a batch yet."""
        if isinstance(self._engine, AutoEngine):
            return self._engine.chosen.name if self._engine.chosen else None
        return self._engine_name

    @property
    def runs_ahead(self) -> bool:
        """Whether it best labels batches before the step that trains on them."""
        return self.chosen != "tensorflow"

    def features(self, x, taps, student=None):
        features = self._features(self.entering(x), (OUTPUT, *taps))
        return {**features, **output_features(features[OUTPUT])}

    def only(self, x, taps):
        return frozen(self._features(self.entering(x), tuple(taps)))

    def prepare(self, x: Any, taps: Sequence[Tap] = (OUTPUT,)) -> None:
        """Choose the engine and convert the model now, and not at the first batch.

        Weights that have changed since the last time are taken over.

        Args:
            x: a real batch, as the student takes it, of the size of those to come.
            taps: what will be wanted. Defaults to the output.
        """
        self._refresh()
        if self._engine is not None:
            self._engine.prepare(self._arrays(x), tuple(dict.fromkeys(taps)))

    def get_ready(self, spec, taps):
        if self.runs_ahead and self.chosen is not None:
            zeros = tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), spec)
            self.prepare(zeros, taps)
        else:
            self._refresh()

    def calibrate(self, x: Any) -> None:
        """Read the ranges of an int8 teacher's activations from examples.

        Args:
            x: 100 to 512 examples, as the student takes them, unlabelled.

        Raises:
            ValueError: if the precision is not `"int8"`.
        """
        if self.precision != "int8" or not isinstance(self._engine, LiteRTEngine):
            raise ValueError(
                "`calibrate` is for precision='int8'. "
                f"Received: precision={self.precision!r}."
            )
        self._engine.calibrate(self._arrays(x))

    def agreement(self, x: Any) -> float:
        """The share of rows whose top class is that of TensorFlow in full precision.

        Args:
            x: examples, as the student takes them.

        Returns:
            Float from 0 to 1, over all outputs and positions.
        """
        same = []
        for start in range(0, len(keras.tree.flatten(x)[0]), ROWS):
            part = keras.tree.map_structure(lambda a: a[start : start + ROWS], x)  # noqa: B023
            expected = FeatureExtractor(self.model)(self.entering(part))[OUTPUT]
            given = self.only(part, (OUTPUT,))[OUTPUT]
            pairs = zip(
                keras.tree.flatten(expected), keras.tree.flatten(given), strict=True
            )
            same += [np.ravel(np.argmax(a, -1) == np.argmax(b, -1)) for a, b in pairs]
        return float(np.mean(np.concatenate(same)))

    @property
    def models(self):
        return (self.model,)

    def gives_probabilities(self, tap):
        if is_output(tap) and self.from_probabilities:
            return False
        return ends_in_probabilities(self.model, tap)

    def _made(self, name: str) -> Engine | None:
        if name == "litert":
            softmax = self.from_probabilities and self.precision == "int8"
            return LiteRTEngine(self.model, self.precision, softmax)
        kinds = {"onnx": OnnxEngine, "auto": AutoEngine}
        return kinds[name](self.model) if name in kinds else None

    def _refresh(self) -> None:
        if self._half is not None:
            self._half.set_weights(self.model.get_weights())
        if self._engine is not None:
            self._engine.refresh()

    def entering(self, x: Any) -> Any:
        """A batch of the student's as the model takes it."""
        if self.size is not None:
            x = keras.tree.map_structure(self._resize, x)
        return x if self.preprocess is None else self.preprocess(x)

    def _arrays(self, x: Any) -> list[np.ndarray]:
        return arrays_of(self.model, self.entering(x))

    def _features(self, x: Any, taps: tuple[Tap, ...]) -> dict[Tap, Any]:
        """The features at these taps, and no others."""
        taps = tuple(dict.fromkeys(taps))
        if self._engine is None or self.chosen == "tensorflow":
            features = self._in_tensorflow(x, taps)
        elif tf.executing_eagerly():
            found = self._engine(arrays_of(self.model, x), taps)
            features = keras.tree.map_structure(ops.convert_to_tensor, found)
        else:
            features = in_graph(self._engine, x, taps)
        if self.from_probabilities:
            for tap in filter(is_output, features):
                features[tap] = keras.tree.map_structure(
                    log_probabilities, features[tap]
                )
        return features

    def _in_tensorflow(self, x: Any, taps: tuple[Tap, ...]) -> dict[Tap, Any]:
        model = self._half or self.model
        inner = [find_layer(model, tap) for tap in taps if not is_output(tap)]
        with folding(folds(model, inner) if self.fold else ()):
            features = FeatureExtractor(model, taps)(x, training=False)
        features = {tap: features[tap] for tap in taps}
        return features if self._half is None else in_float32(features)

    def _resize(self, x):
        is_map = len(x.shape) == 4
        return resize_map(ops.cast(x, "float32"), self.size) if is_map else x


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
        "`teacher` must be a keras.Model, a FrozenTeacher, EnsembleTeacher, "
        "SelfTeacher or StoredTeacher, or None where all targets come stored. "
        f"Received: {teacher!r}."
    )
