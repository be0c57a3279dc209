"""Whether the calibration samples were enough: half of them judged by the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_kd.export import schema
from keras_kd.export.quiet import quiet
from keras_kd.export.samples import Batch, batch_length

HELD_OUT = 32
"""Batches of the second half that are looked at."""

NOTABLE, FAR = 0.01, 0.5
"""Share of values beyond their range, or how far one lies beyond in widths of the
range, from which on a report speaks of it."""


def saturation(half: bytes, key: str, samples: Sequence[Batch]) -> dict[str, Any]:
    """How much of the second half of the samples lies outside the first half's ranges.

    A quantized file clips such values. Its own ranges are of all samples, and so
    wider: this is an upper bound for new data of the same kind.

    Args:
        half: The bytes of a float file with the ranges of the first half.
        key: String. Key of the signature to run.
        samples: All calibration batches, by input name.

    Returns:
        A dict: `"samples"`, `"ranges_from"` and `"held_out"` (numbers of samples),
        `"beyond"` (share of activations outside their range), and `"worst"`: the
        `"tensor"` of which a value lies furthest outside, its `"beyond"`, and
        `"overshoot"`, how far that is in widths of the range.
    """
    middle = len(samples) // 2
    rest = range(middle, len(samples))
    chosen = sorted({int(i) for i in np.linspace(rest[0], rest[-1], HELD_OUT)})
    number, ranges = _ranges(half, key)
    beyond = {index: 0 for index in ranges}
    seen, overshoot = dict(beyond), dict.fromkeys(ranges, 0.0)
    run, tensor = _opened(half, key, number)
    for batch in (samples[i] for i in chosen):
        run(**batch)
        for index in ranges:
            array = tensor(index)
            _, low, high = ranges[index]
            seen[index] += array.size
            beyond[index] += int(((array < low) | (array > high)).sum())
            past = max(low - float(array.min()), float(array.max()) - high)
            overshoot[index] = max(overshoot[index], past / ((high - low) or 1.0))
    report: dict[str, Any] = {
        "samples": sum(batch_length(batch) for batch in samples),
        "ranges_from": sum(batch_length(batch) for batch in samples[:middle]),
        "held_out": sum(batch_length(samples[i]) for i in chosen),
        "beyond": sum(beyond.values()) / (sum(seen.values()) or 1),
    }
    if ranges:
        worst = max(ranges, key=lambda i: overshoot[i])
        report["worst"] = {
            "tensor": ranges[worst][0],
            "beyond": beyond[worst] / (seen[worst] or 1),
            "overshoot": overshoot[worst],
        }
    return report


def notes_on(found: dict[str, Any] | None) -> list[str]:
    """A sentence for the report where the ranges are too narrow."""
    if found is None:
        return []
    far = found.get("worst", {}).get("overshoot", 0.0)
    if found["beyond"] < NOTABLE and far < FAR:
        return []
    return [
        f"Of the activations of held-out samples {found['beyond']:.2%} lie beyond the "
        f"ranges read off {found['ranges_from']} samples, by up to {far:.0%} of a "
        "range: calibrate with more, and more varied, data."
    ]


def _ranges(half: bytes, key: str) -> tuple[int, dict[int, tuple[str, float, float]]]:
    """The subgraph; name and range of each of its float activations, by index."""
    model = schema.load(half)
    number = schema.subgraph_of(model, key)
    ranges = {}
    for index, tensor in enumerate(model.subgraphs[number].tensors):
        found = tensor.quantization
        if found is None or found.min is None or found.max is None:
            continue
        if not len(found.min) or schema.is_constant(model, tensor):
            continue
        low, high = float(found.min[0]), float(found.max[0])
        if schema.tensor_type(tensor) == "FLOAT32" and low <= high:
            name = schema.text(tensor.name)
            # Zero is in the range of every quantized tensor.
            ranges[index] = (name, min(low, 0.0), max(high, 0.0))
    return number, ranges


def _opened(half: bytes, key: str, number: int) -> tuple[Any, Any]:
    """A function that runs the file, and one that then reads a tensor."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet():
        interpreter = Interpreter(
            model_content=half,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
    run = interpreter.get_signature_runner(key)
    return run, lambda index: interpreter.get_tensor(index, number)
