"""Where in a file the error arises: each layer beside the same one in float32."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.export import compare, schema
from keras_kd.export.errors import VerificationError
from keras_kd.export.quiet import quiet
from keras_kd.export.runtime import dequantize, entering

COMPARED = ("FLOAT32", "INT8", "UINT8", "INT16")


@dataclasses.dataclass(frozen=True)
class LayerError:
    """One tensor of a file beside the float32 file's.

    Errors add up along the network: a layer is to blame where the figure falls, not
    where it is low.

    Args:
        layer: String. The Keras layer, where the tensor's name tells, or the output
            that it is.
        operator: String. What makes the tensor.
        tensor: String. Its name in the file.
        shape: List of integers.
        snr_db: Float. Signal to noise, as `compare.snr_db` has it.
        max_error: Float. Largest absolute difference.
    """

    layer: str
    operator: str
    tensor: str
    shape: list[int]
    snr_db: float
    max_error: float


@dataclasses.dataclass(frozen=True)
class _Made:
    """A tensor that an operator makes."""

    index: int
    operator: str
    name: str
    shape: tuple[int, ...]
    steps: tuple[float, int] | None
    end: str = ""

    @property
    def key(self) -> tuple[str, str, tuple[int, ...]]:
        """What stays through quantization; the converter numbers equal names."""
        name = self.end or re.sub(r"(?<=[A-Za-z])\d+$", "", self.name)
        return self.operator, name, self.shape


class Tracer:
    """Runs a file and keeps what every operator of its main subgraph made.

    Args:
        path: Path of a .tflite file.
        signature: String. Defaults to `None`: its only one, or `"serve"`.

    Raises:
        VerificationError: If the runtime refuses the file.
    """

    def __init__(self, path: Path, signature: str | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        model = schema.load(path)
        self.subgraph = schema.subgraph_of(model, signature)
        definition = next(
            (s for s in schema.signatures(model) if s.subgraphIndex == self.subgraph),
            None,
        )
        if definition is None:
            raise VerificationError(f"{str(path)!r} has no signature to run.")
        try:
            with quiet():  # preserving all tensors is warned of
                self.interpreter = Interpreter(
                    model_path=str(path), experimental_preserve_all_tensors=True
                )
                self.interpreter.allocate_tensors()
                self._run = self.interpreter.get_signature_runner(
                    schema.text(definition.signatureKey)
                )
        except (RuntimeError, ValueError) as error:
            raise VerificationError(f"LiteRT refuses {str(path)!r}: {error}") from error
        self._inputs = self._run.get_input_details()
        ends = {
            int(end.tensorIndex): schema.text(end.name) for end in definition.outputs
        }
        self.made = _made(model, model.subgraphs[self.subgraph], ends)

    @property
    def batch_size(self) -> int:
        """How many samples go in at a time; one where any number may."""
        sizes = next(iter(self._inputs.values()))["shape"]
        return max(1, int(sizes[0])) if len(sizes) else 1

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
        """Real numbers by tensor index, for one batch of exactly `batch_size`."""
        self._run(**{n: entering(self._inputs[n], array) for n, array in batch.items()})
        values = {}
        for made in self.made:
            try:
                array = self.interpreter.get_tensor(made.index, self.subgraph)
            except ValueError:  # an output of an operator that nobody asked for
                continue
            values[made.index] = dequantize(array, *made.steps) if made.steps else array
        return values


def layer_errors(
    artifact: Path,
    reference: Path,
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    signature: str | None = None,
    layers: Sequence[str] = (),
) -> tuple[list[LayerError], list[str]]:
    """Compare a file with a float32 file of the same model, tensor by tensor.

    Tensors keep their names through quantization. Two belong together if operator,
    name (but for the number that the converter puts at the end of equal ones) and
    shape are the same, and no other tensor has these; what does not find its like
    is listed, not guessed.

    Args:
        artifact: Path of a .tflite file.
        reference: Path of the float32 file, of the same batch size.
        batches: Inputs by name.
        signature: String. Defaults to `None`: the only one, or `"serve"`.
        layers: Names of the model's layers, to say which one a tensor is of.

    Returns:
        A pair: a list of `LayerError` in the order of computation, and the names of
        the artifact's tensors that the reference does not have.

    Raises:
        VerificationError: If a file does not run, or their batch sizes differ.
    """
    ours = Tracer(artifact, signature)
    alone = len(schema.signatures(schema.load(reference))) == 1
    theirs = Tracer(reference, None if alone else signature)
    size = ours.batch_size
    if theirs.batch_size != size:
        raise VerificationError(
            f"{artifact.name} runs {size} sample(s) at a time, the float32 file "
            f"{theirs.batch_size}: layers are compared at one batch size."
        )
    pairs = matched(ours.made, theirs.made)
    sums = {index: np.zeros(2) for index in pairs}
    largest = dict.fromkeys(pairs, 0.0)
    counted: set[int] = set()
    for batch in batches:
        count = len(next(iter(batch.values())))
        for start in range(0, count, size):
            # The last samples of a file of fixed batch are filled up with the first.
            rows = np.arange(start, start + size) % count
            part = {name: array[rows] for name, array in batch.items()}
            answered, expected = ours(part), theirs(part)
            for index, other in pairs.items():
                if other not in expected or index not in answered:
                    continue
                counted.add(index)
                arrays = expected[other], answered[index]
                sums[index] += compare.powers(*arrays)
                error = compare.largest_error(*arrays)
                # A NaN stays: `max` would drop it or keep it, by its place.
                largest[index] = float(np.maximum(largest[index], error))
    found, unmatched = [], []
    for made in ours.made:
        if made.index not in counted:
            unmatched.append(made.name)
            continue
        found.append(
            LayerError(
                layer=layer_of(made.name, layers) or made.end,
                operator=made.operator,
                tensor=made.name,
                shape=list(made.shape),
                snr_db=compare.decibels(*sums[made.index]),
                max_error=largest[made.index],
            )
        )
    return found, unmatched


def matched(ours: Sequence[_Made], theirs: Sequence[_Made]) -> dict[int, int]:
    """Tensor index to tensor index, of those that have their like in the other file.

    Where several are alike but for their numbers, these decide, if both files number
    them alike; `x2` of one file may be `x3` of the other.
    """
    groups = [_by_key(side) for side in (ours, theirs)]
    pairs = {}
    for key in groups[0].keys() & groups[1].keys():
        mine, other = groups[0][key], groups[1][key]
        if len(mine) == len(other) == 1:
            pairs[mine[0].index] = other[0].index
            continue
        names = {made.name: made.index for made in other}
        same = sorted(made.name for made in mine) == sorted(made.name for made in other)
        if same and len(names) == len(mine):
            pairs |= {made.index: names[made.name] for made in mine}
    return pairs


def _by_key(side: Sequence[_Made]) -> dict[tuple[Any, ...], list[_Made]]:
    groups = collections.defaultdict(list)
    for made in side:
        groups[made.key].append(made)
    return groups


def layer_of(tensor: str, layers: Sequence[str]) -> str:
    """The Keras layer in a tensor's name, `functional_1/stem_1/convolution`."""
    known = set(layers)
    # A fused tensor names all it was made of; the first is what it ends in.
    steps = tensor.split(";")[0].split("/")[:-1]
    for step in reversed(steps):
        for name in (step, re.sub(r"_\d+$", "", step)):
            if name in known:
                return name
    return ""


def _made(model: Any, graph: Any, ends: Mapping[int, str]) -> list[_Made]:
    """What the operators make, save doors and what cannot be compared."""
    found = []
    for op in graph.operators or ():
        operator = schema.operator_name(model, op)
        if operator in schema.DOORS:
            continue
        for index in op.outputs:
            tensor = graph.tensors[index]
            if schema.tensor_type(tensor) in COMPARED:
                found.append(
                    _Made(
                        int(index),
                        operator,
                        schema.text(tensor.name),
                        schema.shape(tensor),
                        schema.steps(tensor),
                        ends.get(int(index), ""),
                    )
                )
    return found
