"""Probabilities in full precision from a file whose arithmetic is int8.

The int8 softmax answers in steps of 1/256, so among many classes most get zero. In a
file with float outputs it is followed by an operator that turns those steps into
floats; the two change places here:

    logits → SOFTMAX → DEQUANTIZE → output      (1/256 apart)
    logits → DEQUANTIZE → SOFTMAX → output      (float32)
"""

from __future__ import annotations

from typing import Any

from keras_kd.export import schema
from keras_kd.export.packing import packed

SOFTMAX = "SOFTMAX"


def softmax_in_float(content: bytes) -> bytes:
    """Compute the softmax at the end of a quantized file in float32.

    Args:
        content: The bytes of a .tflite file with quantized activations and float
            outputs.

    Returns:
        The bytes of the file with that change, its outputs named as before.

    Raises:
        ValueError: If no output comes from a softmax.
    """
    model = schema.load(content)
    changed = [_exchange(model, graph) for graph in model.subgraphs]
    if not any(changed):
        raise ValueError(_sentence(model))
    return packed(model)


def refuse_other_ends(content: bytes) -> None:
    """Raise a ValueError for a file of which no output comes from a softmax."""
    model = schema.load(content)
    if SOFTMAX not in _ends(model):
        raise ValueError(_sentence(model))


def _ends(model: Any) -> list[str]:
    """The operators that make the outputs, before their change of type."""
    names = set()
    for graph in model.subgraphs:
        made = {int(tensor): op for op in graph.operators for tensor in op.outputs}
        for output in map(int, graph.outputs):
            last = made.get(output)
            while last and schema.operator_name(model, last) in schema.DOORS:
                last = made.get(int(last.inputs[0]))
            names.add(schema.operator_name(model, last) if last else "nothing")
    return sorted(names)


def _sentence(model: Any) -> str:
    return (
        "`float_softmax=True` is for a model that ends in a softmax. This one ends in "
        f"{_ends(model)}; give logits a softmax with `with_softmax(model)`."
    )


def _exchange(model: Any, graph: Any) -> int:
    """Exchange the two in one subgraph; how often it was done."""
    made = {int(tensor): op for op in graph.operators for tensor in op.outputs}
    count = 0
    for output in map(int, graph.outputs):
        last = made.get(output)
        if last is None or schema.operator_name(model, last) != "DEQUANTIZE":
            continue
        softmax = made.get(int(last.inputs[0]))
        if softmax is None or schema.operator_name(model, softmax) != SOFTMAX:
            continue
        steps, between = softmax.inputs[0], last.inputs[0]
        graph.tensors[between].type = graph.tensors[output].type
        graph.tensors[between].quantization = None
        last.inputs, last.outputs = [steps], [between]
        softmax.inputs, softmax.outputs = [between], [output]
        graph.operators.remove(last)
        graph.operators.insert(graph.operators.index(softmax), last)
        count += 1
    return count
