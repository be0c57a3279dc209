"""What every engine is: a function of a batch and taps, made for one model."""

from __future__ import annotations

import abc
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_kd.taps import FeatureExtractor, input_spec
from keras_kd.types import Features, Tap

ENGINES = ("tensorflow", "litert", "onnx", "auto")
"""What may run a teacher; `"auto"` is the fastest of the others."""


class EngineError(ValueError):
    """A model that an engine cannot run, and why."""


class Engine(abc.ABC):
    """Runs the part of a frozen model that taps need, on arrays.

    It may be called from several threads at once.

    Args:
        model: a built `keras.Model`.
    """

    name: str

    def __init__(self, model: keras.Model):
        self.model = model
        self._specs: dict[Any, list[Any]] = {}

    @abc.abstractmethod
    def __call__(self, x: Any, taps: Sequence[Tap]) -> Features:
        """The features of a batch.

        Args:
            x: arrays in the structure that the model takes.
            taps: which are wanted.

        Returns:
            Dict from these taps, and no others, to arrays.

        Raises:
            EngineError: where it cannot run the model.
        """

    def prepare(self, x: Any, taps: Sequence[Tap]) -> None:
        """Do for such batches what is done once; they need not be real ones."""
        self(x, taps)

    def spec(self, shapes: Sequence[Sequence[int | None]], taps: Sequence[Tap]) -> Any:
        """What it returns for inputs of these shapes, as `keras.KerasTensor`s.

        Args:
            shapes: of the model's inputs, in their order, the batch axis included.
            taps: which features are wanted.

        Returns:
            List with the features at each tap.
        """
        key = tuple(map(tuple, shapes)), tuple(taps)
        if key not in self._specs:
            structure = input_spec(self.model)
            tensors = [
                keras.KerasTensor(shape, tensor.dtype)
                for shape, tensor in zip(
                    key[0], keras.tree.flatten(structure), strict=True
                )
            ]
            x = keras.tree.pack_sequence_as(structure, tensors)
            features = FeatureExtractor(self.model, key[1]).spec(x)
            self._specs[key] = [features[tap] for tap in key[1]]
        return self._specs[key]

    @abc.abstractmethod
    def refresh(self) -> None:
        """Look at the model's weights again, which may have changed."""


def inputs_of(model: keras.Model, x: Any) -> list[Any]:
    """A batch's tensors in the order of the model's inputs."""
    spec = input_spec(model)
    if isinstance(x, Mapping):
        names = list(spec) if isinstance(spec, Mapping) else None
        if names is None:
            names = list(getattr(model, "input_names", x))
        x = {name: x[name] for name in names}
        x = x if isinstance(spec, Mapping) else list(x.values())
    tensors = keras.tree.flatten(x)
    wanted = len(keras.tree.flatten(spec))
    if len(tensors) != wanted:
        raise EngineError(
            f"{model.name!r} takes {wanted} input(s). Received: {len(tensors)}."
        )
    return tensors


def arrays_of(model: keras.Model, x: Any) -> list[np.ndarray]:
    """A batch as arrays of the types that the model takes."""
    specs = keras.tree.flatten(input_spec(model))
    return [
        np.asarray(tensor).astype(spec.dtype, copy=False)
        for tensor, spec in zip(inputs_of(model, x), specs, strict=True)
    ]


def fingerprint(model: keras.Model) -> tuple[int, ...]:
    """A number for each weight that changes when the weight does."""
    return tuple(
        zlib.crc32(keras.ops.convert_to_numpy(weight).tobytes())
        for weight in model.weights
    )


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
