"""Which taps a model has, and what is seen there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import keras

from keras_kd.attention import PARTS, is_attention
from keras_kd.taps import FeatureExtractor, TapError, find_layer, input_spec
from keras_kd.types import OUTPUT, Features, Tap


@dataclasses.dataclass(frozen=True)
class TapInfo:
    """A tap.

    Args:
        path: String, as `--hint` takes it.
        layer: String. The type of the layer.
        shape: String. What it returns, or why it cannot be tapped.
    """

    path: str
    layer: str
    shape: str


def list_taps(model: keras.Model) -> list[TapInfo]:
    """The output and every layer, in the order of the model.

    Args:
        model: A built `keras.Model`.

    Returns:
        List of `TapInfo`.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
    [tap.path for tap in list_taps(model)]  # ['output', 'head']
    ```
    """
    paths = [OUTPUT, *layer_paths(model)]
    seen = _seen(model, paths, input_spec(model))
    return [
        TapInfo(
            path,
            type(_layer_at(model, path)).__name__,
            seen[path],
        )
        for path in paths
    ]


def layer_paths(layer: keras.layers.Layer, prefix: str = "") -> Iterator[Tap]:
    """The paths of all layers within a layer, and what attention has inside."""
    for child in layer._flatten_layers(include_self=False, recursive=False):
        if not isinstance(child, keras.layers.InputLayer):
            yield prefix + child.name
            if is_attention(child):
                yield from (f"{prefix}{child.name}@{part}" for part in PARTS)
            yield from layer_paths(child, f"{prefix}{child.name}/")


def _layer_at(model: keras.Model, path: Tap) -> keras.layers.Layer:
    return model if path == OUTPUT else find_layer(model, path.partition("@")[0])


def _seen(model: keras.Model, paths: Sequence[Tap], x: object) -> dict[Tap, str]:
    """All in one pass; where one cannot be tapped, in halves until it is alone."""
    try:
        features: Features = FeatureExtractor(model, paths).spec(x)
        return {path: _shape(features[path]) for path in paths}
    except TapError as error:
        if len(paths) == 1:
            return {paths[0]: "ran more than once" if "times" in str(error) else "–"}
    half = len(paths) // 2
    return _seen(model, paths[:half], x) | _seen(model, paths[half:], x)


def _shape(feature: object) -> str:
    shapes = [str(tuple(tensor.shape)) for tensor in keras.tree.flatten(feature)]
    return ", ".join(shapes)
