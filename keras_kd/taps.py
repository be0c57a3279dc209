"""Named places in a model, and one forward pass that keeps what was seen there."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from keras_kd.attention import AttentionPart, find_attention, split_part
from keras_kd.recording import CALL, Recording, TapError, record
from keras_kd.types import OUTPUT, Features, Tap, Taps
from keras_kd.validation import did_you_mean, listing


class FeatureExtractor:
    """Runs a model once and returns its output and what its tapped layers returned.

    Args:
        model: a built `keras.Model` or layer: functional, Sequential, nested or
            subclassed.
        taps: names. `"block_2"` is a layer of the model, `"backbone/block_2"` a
            layer of its layer `backbone`, `"output"` what the model returns,
            `"output/boxes"` (or `"output/0"`) one of several outputs.
            `"encoder/layer_3@attention_scores"` is the inside of an attention layer,
            or of the one that a block holds: `@attention_scores` (before the
            softmax, scaled, without the mask), `@attention_probabilities` (after
            it), `@queries`, `@keys`, `@values`. Their masks come along.

    Raises:
        ValueError: where a tap is not there (with what is, and the nearest name)
            or the model is not built.

    Example:

    ```python
    extractor = FeatureExtractor(model, ["backbone/block_2"])
    features = extractor(images)  # {"output": …, "backbone/block_2": …}
    ```
    """

    def __init__(self, model: keras.Model, taps: Iterable[Tap] = ()):
        require_built(model)
        self.model = model
        self.taps = tuple(dict.fromkeys(taps))
        self._sources = {
            tap: _source(model, tap) for tap in self.taps if not is_output(tap)
        }

    def __call__(self, x: Any, training: bool = False) -> Features:
        """One pass.

        Args:
            x: a batch, as the model takes it.
            training: bool, handed to the model. Defaults to False.

        Returns:
            Dict from tap to tensor, always with `"output"`.

        Raises:
            ValueError: where a tapped layer runs twice, or not at all.
        """
        wanted = [pair for source in self._sources.values() for pair in source.methods]
        with record(wanted) as recording:
            y = self.model(x, training=training)
        features = output_features(y)
        for tap, source in self._sources.items():
            features[tap] = self._only(tap, source.values(recording))
        for tap in self.taps:
            if tap not in features:
                raise TapError(
                    f"Tap {tap!r} not found in {self.model.name!r}: its outputs are "
                    f"{listing(features)}."
                )
        return features

    def _only(self, tap, values):
        if len(values) != 1:
            count = "did not run" if not values else f"ran {len(values)} times"
            raise TapError(
                f"Tap {tap!r} {count} in one pass of {self.model.name!r}: tap a layer "
                "that runs exactly once."
            )
        return values[0]

    def spec(self, x: Any, training: bool = False) -> Features:
        """The features' shapes and dtypes, found without computing anything.

        Args:
            x: `keras.KerasTensor`s in the structure of a batch.
            training: bool. Defaults to False.

        Returns:
            Dict from tap to `keras.KerasTensor`.
        """
        return symbolically(functools.partial(self, training=training), x)


@dataclasses.dataclass(frozen=True)
class _LayerOutput:
    """Reads what a layer returned from a recording."""

    layer: keras.layers.Layer

    @property
    def methods(self) -> list[tuple[keras.layers.Layer, str]]:
        return [(self.layer, CALL)]

    def values(self, recording: Recording) -> list:
        return recording.values_of(self.layer)


def _source(model: keras.layers.Layer, tap: Tap) -> _LayerOutput | AttentionPart:
    layer, (_, part) = find_layer(model, tap), split_part(tap)
    if part:
        return AttentionPart(tap, find_attention(tap, layer), part)
    return _LayerOutput(layer)


def is_output(tap: Tap) -> bool:
    """Whether a tap names the model's output or a part of it."""
    return tap == OUTPUT or tap.startswith(f"{OUTPUT}/")


def output_features(y: Any) -> dict[Tap, Any]:
    """A model's output under the names of its taps: whole, and part by part."""
    features = {OUTPUT: y}
    if isinstance(y, dict):
        features |= {f"{OUTPUT}/{key}": part for key, part in y.items()}
    elif isinstance(y, (list, tuple)):
        features |= {f"{OUTPUT}/{index}": part for index, part in enumerate(y)}
    return features


def select(features: Features, taps: Taps) -> Any:
    """The feature at one tap, or the list of those at several.

    Raises:
        ValueError: where the features do not hold a tap, as stored targets may.
    """
    for tap in flat_taps(taps):
        if tap not in features:
            raise TapError(
                f"Tap {tap!r} not found in the features at hand. "
                f"Available: {listing(features)}.{did_you_mean(tap, features)}"
            )
    if isinstance(taps, str):
        return features[taps]
    return [features[tap] for tap in taps]


def flat_taps(taps: Taps) -> list[Tap]:
    """One tap or several, as a list."""
    return [taps] if isinstance(taps, str) else list(taps)


def find_layer(model: keras.layers.Layer, tap: Tap) -> keras.layers.Layer:
    """The layer at a path of names, such as `"backbone/block_2"`.

    Of `"backbone/block_2@queries"` it is the same layer.

    Raises:
        ValueError: with the layers that are there, and the nearest path.
    """
    layer, path = model, ""
    for part in split_part(tap)[0].split("/"):
        children = _children(layer)
        if part not in children:
            paths = list(_walk(model))
            near = [p for p in paths if p.endswith(f"/{part}")]
            hint = did_you_mean(near[0], near) if near else did_you_mean(tap, paths)
            raise TapError(
                f"Tap {tap!r} not found in {model.name!r}. "
                f"Available: {listing(path + name for name in children)}.{hint}"
            )
        layer, path = children[part], f"{path}{part}/"
    return layer


def may_begin_taps(model: keras.layers.Layer, name: Any) -> bool:
    """Whether a part of a model can be held under a name, and so be found by it."""
    word = isinstance(name, str) and name and "/" not in name and name[0] != "_"
    return bool(word) and not hasattr(model, name)


def require_built(model: keras.layers.Layer) -> None:
    """Refuse a model that does not have its variables yet."""
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"Expected a keras.Model. Received: {model!r}.")
    if not model.built:
        raise ValueError(
            f"{model.name!r} is not built, so its taps and shapes are unknown: call "
            "it on a batch, or `model.build(input_shape)`, first."
        )


def input_spec(model: keras.layers.Layer) -> Any:
    """What a built model takes, as `keras.KerasTensor`s with an open batch axis.

    A subclassed model remembers its input's shape and not its type: float32 is
    tried, then int32, for tokens.

    Raises:
        ValueError: where a subclassed model does not remember its input's shape.
    """
    if isinstance(model, keras.Sequential):
        return _open_batch(model.inputs[0])
    if getattr(model, "inputs", None):
        return keras.tree.map_structure(_open_batch, model.input)
    shapes = model.get_build_config() or {}
    shapes = shapes.get("shapes_dict", shapes)
    if not shapes or None in shapes.values():
        raise ValueError(
            f"{model.name!r} does not remember the shape it was built for: call it "
            "on a batch first."
        )

    def spec(dtype):
        return keras.tree.map_shape_structure(
            lambda shape: _open_batch(keras.KerasTensor(shape, dtype)),
            next(iter(shapes.values())),
        )

    try:
        symbolically(functools.partial(model, training=False), spec("float32"))
    except Exception:  # Keras raises as many kinds as there are operations
        return spec("int32")
    return spec("float32")


def output_spec(model: keras.layers.Layer) -> Any:
    """What a built model returns for its input, as `keras.KerasTensor`s."""
    return FeatureExtractor(model).spec(input_spec(model))[OUTPUT]


def symbolically(function: Callable, *args: Any) -> Any:
    """What `function` would return for `keras.KerasTensor`s, computing nothing."""
    refused: list[TapError] = []

    class Symbolic(keras.Operation):
        def call(self, *args):
            try:
                return function(*args)
            except TapError as error:
                refused.append(error)
                raise

    try:
        return Symbolic().compute_output_spec(*args)
    except Exception:
        # Keras wraps what goes wrong in here; our own sentence stands alone.
        if refused:
            raise refused[0] from None
        raise


def _open_batch(x):
    return keras.KerasTensor((None, *x.shape[1:]), x.dtype)


def _children(layer):
    """A layer's own layers by name, and by attribute for those of a subclass."""
    layers = layer._flatten_layers(include_self=False, recursive=False)
    named = {x.name: x for x in layers if not isinstance(x, keras.layers.InputLayer)}
    own = {id(x) for x in layers}  # two of one name have attributes of their own
    attributes = {
        key: value
        for key, value in vars(layer).items()
        if id(value) in own and not key.startswith("_")
    }
    return {**attributes, **named}


def _walk(layer, prefix="", depth=6) -> Iterator[Tap]:
    for name, child in _children(layer).items():
        yield prefix + name
        if depth:
            yield from _walk(child, f"{prefix}{name}/", depth - 1)
