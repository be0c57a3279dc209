"""The inputs and outputs of a .tflite file, as its metadata describes them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

from keras_kd.export import schema
from keras_kd.export.metadata import tables
from keras_kd.export.metadata.card import Metadata, labels_by_output
from keras_kd.export.metadata.text import BERT_INPUTS, tokenizer_unit
from keras_kd.export.schema import MAIN

INTEGERS = ("INT32", "INT64")
FLOATS = ("FLOAT32", "FLOAT16")
PASSING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE")
PROBABILITIES = ("SOFTMAX", "LOGISTIC")
MISREAD = 5.0
"""Steps of a uint8 input by which a client may hand in another pixel than meant."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output: its signature's name, its place and what it holds."""

    name: str
    index: int
    type: str
    shape: tuple[int | None, ...]
    scale: float | None
    zero_point: int

    @property
    def is_image(self) -> bool:
        """Whether it is a batch of pictures in grey or colour, channels last."""
        pixels = self.type not in INTEGERS and self.type != "BOOL"
        return len(self.shape) == 4 and self.shape[-1] in (1, 3) and pixels


def main_subgraph(model: Any) -> int:
    """The number of the subgraph that answers: that of `serve`, if there are several.

    Args:
        model: As `keras_kd.export.schema.load` gives it.
    """
    found = {schema.text(s.signatureKey): s for s in model.signatureDefs or []}
    main = found.get(MAIN, next(iter(found.values()), None))
    return 0 if main is None else int(main.subgraphIndex or 0)


def ends_of(model: Any, number: int) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs and outputs of a subgraph, in the file's own order.

    Args:
        model: As `keras_kd.export.schema.load` gives it.
        number: Integer. The subgraph's.

    Returns:
        A pair of lists of `Tensor`, named by the signature of that subgraph.
    """
    graph = model.subgraphs[number]
    named = {
        int(entry.tensorIndex): schema.text(entry.name)
        for signature in model.signatureDefs or []
        if int(signature.subgraphIndex or 0) == number
        for entry in (*signature.inputs, *signature.outputs)
    }
    return (
        [_tensor(graph, int(i), named) for i in graph.inputs],
        [_tensor(graph, int(i), named) for i in graph.outputs],
    )


def refuse_unfit(metadata: Metadata, inputs: Sequence[Tensor]) -> None:
    """Raise a ValueError for metadata that the inputs have no use for."""
    kinds = [f"{t.name}: {t.type}" for t in inputs]
    numbers = [t for t in inputs if t.type not in INTEGERS]
    if metadata.mean is not None and not numbers:
        raise ValueError(
            "`mean` and `std` need an input of pixels or other numbers. "
            f"The file's inputs are {kinds}."
        )
    if metadata.tokenizer is not None and len(numbers) == len(inputs):
        raise ValueError(
            f"`tokenizer` needs an input of token ids. The file's inputs are {kinds}."
        )


def describe_inputs(metadata: Metadata, inputs: Sequence[Tensor]) -> list[Any]:
    """The `TensorMetadata` of each input, as `tables.pack` takes it."""
    pixels = [t for t in inputs if t.is_image]
    numbers = pixels or [t for t in inputs if t.type not in INTEGERS]
    normalized = {t.name for t in (numbers if metadata.mean is not None else pixels)}
    return [_input(metadata, t, t.name in normalized, len(inputs)) for t in inputs]


def describe_outputs(
    model: Any, number: int, labels: Any, outputs: Sequence[Tensor]
) -> tuple[list[Any], dict[str, bytes]]:
    """The `TensorMetadata` of each output, and the label files they name."""
    sizes = {t.name: t.shape[-1] if t.shape else None for t in outputs}
    labels = labels_by_output(labels, sizes)
    described, files = [], {}
    for tensor in outputs:
        probable = _maker(model, number, tensor.index) in PROBABILITIES
        fields: dict[str, Any] = {
            "name": tensor.name,
            "description": "Probabilities, 0 to 1." if probable else "Scores.",
            "content": {"kind": tables.FEATURE, "properties": {}},
            "stats": {"min": [0.0], "max": [1.0]} if probable else None,
        }
        if tensor.name in labels:
            many = len(outputs) > 1
            file = f"{tensor.name}_labels.txt" if many else "labels.txt"
            files[file] = ("\n".join(labels[tensor.name]) + "\n").encode()
            fields["associated_files"] = [
                {
                    "name": file,
                    "description": "The classes, one on a line.",
                    "type": tables.AXIS_LABELS,
                }
            ]
        described.append(fields)
    return described, files


def _input(metadata: Metadata, tensor: Tensor, normal: bool, count: int) -> Any:
    fields: dict[str, Any] = {
        "name": tensor.name,
        "content": {"kind": tables.FEATURE, "properties": {}},
    }
    if tensor.is_image:
        height, width, channels = tensor.shape[1:]
        grey = channels == 1
        size = {"width": width, "height": height} if height and width else None
        fields["description"] = "The picture, in grey." if grey else "The picture."
        fields["content"] = {
            "kind": tables.IMAGE,
            "properties": {
                "color_space": tables.GRAYSCALE if grey else tables.RGB,
                "default_size": size,
            },
        }
    elif tensor.type in INTEGERS and metadata.tokenizer:
        fields["description"] = "The ids of the tokens of a text."
        if metadata.tokenizer == "regex":
            fields["process_units"] = [tokenizer_unit(metadata)]
        elif count == len(BERT_INPUTS):
            fields["name"] = _bert_name(tensor.name)
    if normal:
        fields |= _normalization(metadata, tensor)
    return fields


def _normalization(metadata: Metadata, tensor: Tensor) -> dict[str, Any]:
    """How the app makes numbers of pixels, and the range that they come to."""
    mean = numbers_per_channel("mean", metadata.mean, 0.0, tensor)
    std = numbers_per_channel("std", metadata.std, 1.0, tensor)
    _warn_of_misread_pixels(tensor, mean, std)
    low = [(0.0 - m) / s for m, s in zip(mean, std, strict=True)]
    high = [(255.0 - m) / s for m, s in zip(mean, std, strict=True)]
    if tensor.type not in FLOATS:
        signed = tensor.type == "INT8"
        low, high = ([-128.0], [127.0]) if signed else ([0.0], [255.0])
    options = {"mean": mean, "std": std}
    fields: dict[str, Any] = {
        "process_units": [{"kind": tables.NORMALIZATION, "options": options}]
    }
    if tensor.is_image:
        fields["stats"] = {"min": low, "max": high}
    return fields


def numbers_per_channel(
    name: str, value: Any, default: float, tensor: Tensor
) -> list[float]:
    """One number, or as many as the tensor has channels."""
    values = list(value or (default,))
    channels = tensor.shape[-1] if tensor.shape else 1
    if len(values) not in (1, channels):
        raise ValueError(
            f"`{name}` must be one number, or {channels} for the channels of input "
            f"{tensor.name!r}. Received: {name}={values}."
        )
    return values


def _warn_of_misread_pixels(
    tensor: Tensor, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Clients hand a uint8 file its pixels untouched, whatever its scale."""
    if tensor.type != "UINT8" or not tensor.scale or not tensor.is_image:
        return
    worst = 0.0
    for m, s in zip(mean, std, strict=True):
        for pixel in (0.0, 255.0):
            meant = (pixel - m) / s
            read = (pixel - tensor.zero_point) * tensor.scale
            worst = max(worst, abs(meant - read) / tensor.scale)
    if worst > MISREAD:
        warnings.warn(
            f"Input {tensor.name!r} takes uint8 with scale {tensor.scale:.4g} and zero "
            f"point {tensor.zero_point}, which makes other numbers of a pixel than "
            f"(pixel - {list(mean)}) / {list(std)}: by up to {worst:.0f} steps. "
            "MediaPipe hands in pixels untouched. Give the `mean` and `std` of the "
            "training data, calibrate on pictures with black and white in them, or "
            "export with io='float32'.",
            UserWarning,
            stacklevel=5,
        )


def _bert_name(name: str) -> str:
    """The name by which clients find one of the three inputs of a BERT."""
    lower = name.lower()
    if "mask" in lower:
        return BERT_INPUTS[1]
    return BERT_INPUTS[2] if "type" in lower or "segment" in lower else BERT_INPUTS[0]


def _maker(model: Any, number: int, index: int) -> str:
    """The operator that computes a tensor, past those that only hand it on."""
    operators = model.subgraphs[number].operators or []
    makers = {int(t): op for op in operators for t in op.outputs}
    while index in makers:
        name = schema.operator_name(model, makers[index])
        if name not in PASSING:
            return name
        index = int(makers[index].inputs[0])
    return ""


def _tensor(graph: Any, index: int, named: dict[int, str]) -> Tensor:
    tensor = graph.tensors[index]
    signature = tensor.shapeSignature
    sizes = schema.shape(tensor) if signature is None else signature
    step, zero_point = schema.steps(tensor) or (None, 0)
    return Tensor(
        name=named.get(index, schema.text(tensor.name)),
        index=index,
        type=schema.tensor_type(tensor),
        shape=tuple(None if s < 0 else int(s) for s in sizes),
        scale=step,
        zero_point=zero_point,
    )
