"""What a row of the layers' contract says. The rows stand in `layer_rows/`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

BATCH = 3
SCALAR = "scalar"
"""The output of a layer that gives one number for the whole batch."""


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """How to make a layer, and what goes in and out.

    Shapes are of one example; where several tensors go in or out, they are a list.

    Args:
        layer: the class.
        arguments: what its constructor gets; over all the rows of a class, each
            argument has a value other than its default. Layers among them are
            written as `Fresh(function)`.
        shape: an input; of a layer that sees both sides, the teacher's.
        output: what comes of it, or `SCALAR`.
        symbolic: the input's shape as the layer is told it: with None where any
            size will do.
        refused: input shapes, batch included, that no layer can be built on; pairs
            of them for a layer that sees both sides.
        student: the student's shape, for a layer called as `layer(teacher, student)`.
        extra: what else `call` is given, as functions `(generator, batch) -> array`
            of one integer per example.
        passes_gradient: whether the output follows the inputs.
        always_float32: whether the output is float32 whatever the policy.
    """

    layer: type
    arguments: Mapping[str, Any]
    shape: Any
    output: Any
    symbolic: Any = None
    refused: tuple = ()
    student: tuple[int, ...] | None = None
    extra: Mapping[str, Callable] = dataclasses.field(default_factory=dict)
    passes_gradient: bool = True
    always_float32: bool = False

    def __str__(self):
        given = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        return f"{self.layer.__name__}({given}) on {self.shape}"

    def make(self, **kwargs):
        own = {key: kwargs[key] for key in ("dtype",) if key in kwargs}
        arguments = {
            key: value.function(**own) if isinstance(value, Fresh) else value
            for key, value in self.arguments.items()
        }
        return self.layer(**arguments, **kwargs)

    def inputs(self, batch):
        """The shapes that `build` gets, one for each of its arguments."""
        sides = [self.shape] if self.student is None else [self.shape, self.student]
        return [each(lambda shape: (batch, *shape), side) for side in sides]

    def outputs(self, batch):
        """What `compute_output_shape` foretells."""
        if self.output == SCALAR:
            return ()
        return each(lambda shape: (batch, *shape), self.output)

    def symbols(self):
        """`keras.Input`s, one for each of the positional arguments of `call`."""
        sides = [self.symbolic or self.shape, *([self.student] if self.student else [])]
        return [each(keras.Input, side) for side in sides]

    def extra_symbols(self):
        return {key: keras.Input((), dtype="int32", name=key) for key in self.extra}

    def sample(self, seed=0, batch=BATCH):
        """Random inputs, one for each of the positional arguments of `call`."""
        rng = np.random.default_rng(seed)
        draw = lambda shape: rng.normal(size=shape).astype("float32")  # noqa: E731
        return [each(draw, side) for side in self.inputs(batch)]

    def extras(self, seed=0, batch=BATCH):
        rng = np.random.default_rng(seed)
        return {
            key: np.asarray(draw(rng, batch), "int32")
            for key, draw in self.extra.items()
        }


@dataclasses.dataclass(frozen=True)
class Fresh:
    """An argument that is a layer, or holds layers: `function(**dtype)` makes it."""

    function: Callable[..., Any]

    def __str__(self):
        return "..."


def each(function, shapes):
    """`function` of a shape, or of each shape of a list."""
    if isinstance(shapes, list):
        return [each(function, shape) for shape in shapes]
    return function(shapes)
