"""The named inputs and outputs of a Keras model, in a file's flat form."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class InputTensor:
    """One input: its name in the file, its shape (batch is None) and its dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs of a model, flat and named, and how its call wants them.

    Args:
        inputs: Tuple of `InputTensor` in the order of `keras.tree.flatten`.
        structure: The model's nest of inputs, leaves being names.
        layer_names: Names of the layers that make the outputs, or None where the
            model does not tell.
    """

    inputs: tuple[InputTensor, ...]
    structure: Any
    layer_names: tuple[str, ...] | None = None

    @property
    def names(self) -> list[str]:
        """The names of the inputs, in Keras's order."""
        return [tensor.name for tensor in self.inputs]

    def pack(self, tensors: Mapping[str, Any]) -> Any:
        """Named tensors in the structure that `model(...)` takes."""
        return keras.tree.pack_sequence_as(
            self.structure, [tensors[name] for name in self.names]
        )

    def name_outputs(self, outputs: Any) -> dict[str, Any]:
        """What the model returned, flat, by name.

        A dict keeps its keys; otherwise a functional or Sequential model's outputs
        are named after their layers (not those that quantization-aware training put
        behind them), and a subclassed model's `output`, or `output_0`, `output_1`,
        ….
        """
        pairs = keras.tree.flatten_with_path(outputs)
        by_layer = self.layer_names is not None and len(self.layer_names) == len(pairs)
        names = []
        for position, (path, _) in enumerate(pairs):
            if any(isinstance(step, str) for step in path):
                names.append("_".join(str(step) for step in path))
            elif by_layer and self.layer_names is not None:
                names.append(self.layer_names[position])
            else:
                names.append("_".join(["output", *(str(step) for step in path)]))
        return dict(zip(_valid(names), (leaf for _, leaf in pairs), strict=True))


def signature_of(model: keras.Model) -> Signature:
    """Read the names, shapes and dtypes of a built model's inputs.

    Args:
        model: A built functional, Sequential or subclassed `keras.Model`. The
            inputs of a subclassed model are float32 (Keras records no dtype):
            one that takes integers keeps them when it is wrapped in a functional
            model.

    Returns:
        A `Signature`.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If the model is not built.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    signature_of(model).inputs  # (InputTensor(name='x', shape=(None, 4), ...),)
    ```
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a keras.Model. Received: {type(model).__name__}."
        )
    unbuilt = ValueError(
        f"`model` {model.name!r} is not built: its input shapes are unknown. "
        "Call it once on a batch, or begin it with a keras.Input."
    )
    if not model.built:
        raise unbuilt
    if isinstance(model, keras.Sequential):
        return _symbolic(model.inputs[0], [model.layers[-1].name])
    if hasattr(model, "output_names"):
        return _symbolic(model.input, [_producer(tensor) for tensor in model.outputs])
    config = model.get_build_config()
    if not config or "input_shape" not in config:
        raise unbuilt
    return _recorded(config["input_shape"])


def _symbolic(inputs: Any, layer_names: Sequence[str]) -> Signature:
    """The signature of a model that was made from `keras.Input` tensors."""
    pairs = keras.tree.flatten_with_path(inputs)
    # A tensor without a name gets a new one when the model is loaded; its layer keeps.
    names = _valid(
        [
            path[-1] if _keyed(path) else leaf._keras_history.operation.name
            for path, leaf in pairs
        ]
    )
    tensors = [
        InputTensor(name, (None, *leaf.shape[1:]), str(leaf.dtype))
        for name, (_, leaf) in zip(names, pairs, strict=True)
    ]
    structure = keras.tree.pack_sequence_as(inputs, names)
    return Signature(tuple(tensors), structure, tuple(layer_names))


def _producer(tensor: Any) -> str:
    """The name of the layer that makes an output, be it rounded afterwards or not."""
    history = tensor._keras_history
    rounds = getattr(history.operation, "quantize_aware", None)
    if rounds and not hasattr(history.operation, "layer"):
        node = history.operation._inbound_nodes[history.node_index]
        return _producer(node.input_tensors[0])
    return str(history.operation.name)


def _recorded(shapes: Any) -> Signature:
    """The signature of a subclassed model, from the shapes it was built with."""
    found: list[InputTensor] = []

    def walk(node: Any, name: str) -> Any:
        if isinstance(node, Mapping):
            return {key: walk(value, str(key)) for key, value in node.items()}
        if all(size is None or isinstance(size, int) for size in node):
            found.append(InputTensor(name, (None, *node[1:]), "float32"))
            return name
        return [walk(value, f"{name}_{i}") for i, value in enumerate(node)]

    structure = walk(shapes, "input")
    by_name = {tensor.name: tensor for tensor in found}
    return Signature(
        tuple(by_name[name] for name in keras.tree.flatten(structure)), structure
    )


def _keyed(path: tuple[Any, ...]) -> bool:
    """Whether the last step of a path is the key of a dict."""
    return bool(path) and isinstance(path[-1], str)


def _valid(names: Sequence[str]) -> list[str]:
    """Names a signature can have, no two alike.

    The converter drops the whole signature, without an error, where a name has
    another character than these.
    """
    valid: list[str] = []
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9_]", "_", name)
        clean = f"tensor_{clean}" if not clean[:1].isalpha() else clean
        unique, count = clean, 1
        while unique in valid or (unique != name and unique in names):
            unique, count = f"{clean}_{count}", count + 1
        valid.append(unique)
    return valid
