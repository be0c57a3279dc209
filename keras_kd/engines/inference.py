"""The part of a model that some taps need, as a model of its own.

Its outputs are those taps and nothing else, so what a converter reads ends there: a
head that no tap needs does not reach the file. BatchNorm goes into the layer before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.engines.engine import EngineError
from keras_kd.engines.folding import folding, folds
from keras_kd.taps import FeatureExtractor, find_layer, input_spec, is_output
from keras_kd.types import Features, Tap


class InferencePart:
    """A model's inference up to its taps, with a flat list of tensors at both ends.

    Args:
        model: a built `keras.Model`, of which nothing is changed: functional,
            Sequential, nested or subclassed.
        taps: the taps whose features are wanted, and no others.
        sizes: of each input its shape without the batch axis, where the model
            leaves sizes open. Defaults to None: those of the model.

    Attributes:
        model: a functional `keras.Model` with the outputs `"tap_0"`, `"tap_1"`, ….

    Raises:
        EngineError: where a feature has no batch axis, or carries a mask.

    Example:

    ```python
    part = InferencePart(teacher, ["body"])
    part.pack(keras.tree.flatten(part.model([images])))  # {"body": …}
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        taps: Sequence[Tap],
        sizes: Sequence[tuple[int, ...]] | None = None,
    ):
        self.taps = tuple(taps)
        spec = input_spec(model)
        tensors = keras.tree.flatten(spec)
        shapes = sizes or [tensor.shape[1:] for tensor in tensors]
        inputs = [
            keras.Input(batch_shape=(None, *shape), dtype=tensor.dtype, name=f"x_{i}")
            for i, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True))
        ]
        packed = keras.tree.pack_sequence_as(spec, inputs)
        self.spec = FeatureExtractor(model, self.taps).spec(packed)
        self._refuse(model)
        tapped = _Tapped(model, self.taps, packed)
        self.model = keras.Model(inputs, tapped(inputs), name="inference")
        self._places = tapped.places

    def pack(self, tensors: Sequence[Any]) -> Features:
        """The model's flat outputs as features."""
        return keras.tree.pack_sequence_as(
            {tap: self.spec[tap] for tap in self.taps}, self.unfold(tensors)
        )

    def unfold(self, tensors: Sequence[Any]) -> list[Any]:
        """One tensor for each leaf of the features; some taps are the same tensor."""
        by_tap, rest = {}, [tensors[place] for place in self._places]
        for tap in self.taps:
            count = len(keras.tree.flatten(self.spec[tap]))
            by_tap[tap], rest = rest[:count], rest[count:]
        # A dict is flattened by its sorted keys.
        return [tensor for tap in sorted(by_tap) for tensor in by_tap[tap]]

    def _refuse(self, model: keras.Model) -> None:
        for tap in self.taps:
            for tensor in keras.tree.flatten(self.spec[tap]):
                if not tensor.shape or tensor.shape[0] is not None:
                    raise EngineError(
                        f"Tap {tap!r} of {model.name!r} has no batch axis: its shape "
                        f"is {tuple(tensor.shape)}."
                    )


class _Tapped(keras.layers.Layer):
    """A model as a layer that returns the features at its taps."""

    def __init__(self, model, taps, structure):
        super().__init__(autocast=False, name="tapped")
        self.model = model
        self.taps = taps
        self.structure = keras.tree.map_structure(lambda x: None, structure)
        self.extractor = FeatureExtractor(model, taps)
        inner = [find_layer(model, tap) for tap in taps if not is_output(tap)]
        self.pairs = folds(model, inner)
        self.places: list[int] = []

    def call(self, inputs):
        x = keras.tree.pack_sequence_as(self.structure, inputs)
        with folding(self.pairs):
            features = self.extractor(x, training=False)
        unique: dict[int, Any] = {}
        self.places = []
        for tap in self.taps:
            for tensor in keras.tree.flatten(features[tap]):
                if getattr(tensor, "_keras_mask", None) is not None:
                    raise EngineError(
                        f"Tap {tap!r} of {self.model.name!r} carries a mask, which a "
                        "file does not."
                    )
                unique.setdefault(id(tensor), tensor)
                self.places.append(list(unique).index(id(tensor)))
        return {f"tap_{i}": tensor for i, tensor in enumerate(unique.values())}
