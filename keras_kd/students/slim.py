"""A smaller model of the same kind as a teacher."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import keras

from keras_kd.compress.pruning.channels.looser import looser_rule_for
from keras_kd.compress.pruning.channels.surgery import (
    Ranking,
    why_not,
    without_channels,
)
from keras_kd.compress.pruning.channels.trace import Trace
from keras_kd.compress.strip import refuse_compressed
from keras_kd.students.blocks import left_out, repeatable_blocks
from keras_kd.validation import positive_int

MOMENTUM = 0.9
"""Of batch normalization in a student: a short training must fill its averages."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What of a teacher is not in its student.

    Args:
        trace: The channels of the teacher without the blocks that go.
        gone: Set of roots of the channels that go.
    """

    trace: Trace
    gone: set[int]


def slim(
    teacher: keras.Model,
    width: float = 0.5,
    depth: float = 1.0,
    inherit: bool = True,
    divisible_by: int = 1,
    name: str | None = None,
) -> keras.Model:
    """Build a student of the same kind as its teacher: narrower, and less deep.

    Of each group of channels that go together, `ceil(width · channels)` stay, those
    with the largest L2 norm of the kernels that make them. Inputs, outputs and what
    reaches a layer that is not known keep theirs; attention keeps its heads. Of the
    blocks that leave the shape as it is (`repeatable_blocks`) `ceil(depth · blocks)`
    stay, evenly spread. `slim(teacher, 1, 1)` answers as the teacher does.

    Layers keep their names, so taps of the teacher are taps of the student too, where
    its block stays. All weights can be trained, also where the teacher is frozen, and
    batch normalization has a momentum of at most 0.9, for short trainings.

    Args:
        teacher: A built functional or Sequential model. It is not changed.
        width: Float in (0, 1], the share of channels. Defaults to 0.5.
        depth: Float in (0, 1], the share of repeatable blocks. Defaults to 1.
        inherit: Boolean. Whether the student starts with the teacher's weights that
            fit; otherwise with new ones, but for layers without weights to train,
            such as `Normalization`. Defaults to `True`.
        divisible_by: Integer. Channels that stay are a multiple of it, as far as
            they are more. Defaults to 1.
        name: String. Defaults to `"<teacher's name>_slim"`.

    Returns:
        A functional `keras.Model` with weights of its own, not compiled.

    Raises:
        TypeError: If `teacher` is no `keras.Model`.
        ValueError: If it is subclassed, or nothing can go.

    Example:

    ```python
    narrow = slim(teacher, width=0.5)
    teacher.count_params(), narrow.count_params()  # (301, 153)
    distiller = Distiller(teacher, narrow, keras_kd.methods.hinton())
    ```

    Reference:
        Li, Kadav, Durdanovic, Samet, Graf. Pruning Filters for Efficient ConvNets.
        ICLR 2017, https://arxiv.org/abs/1608.08710 (channels by norm; theirs is L1).
        Sanh, Debut, Chaumond, Wolf. DistilBERT. 2019,
        https://arxiv.org/abs/1910.01108 (every second block, and its weights).
    """
    plan = planned(teacher, width, depth, divisible_by)
    student = without_channels(teacher, plan.trace, plan.gone, inherit)
    for layer in student._flatten_layers():
        # One by one: Keras passes nothing on from a model that is trainable already.
        layer.trainable = True
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, MOMENTUM)
    student.name = name or f"{teacher.name}_slim"
    return student


def planned(
    teacher: keras.Model, width: float, depth: float, divisible_by: int = 1
) -> Plan:
    """What goes from a teacher at this width and depth; as `slim` takes them."""
    width, depth = portion("width", width), portion("depth", depth)
    positive_int("divisible_by", divisible_by)
    trace = traced(teacher, depth)
    gone = Ranking(trace).least(1.0 - width, divisible_by=divisible_by)
    if width < 1.0 and not gone:
        raise ValueError(
            f"`width`={width} leaves {teacher.name!r} as wide as it is, at "
            f"`divisible_by`={divisible_by}. For instance {why_not(trace)}."
        )
    return Plan(trace, gone)


def traced(teacher: keras.Model, depth: float) -> Trace:
    """The channels of a teacher without the blocks that go at this depth."""
    refuse_teacher(teacher)
    blocks = repeatable_blocks(teacher) if depth < 1.0 else []
    if depth < 1.0 and not blocks:
        raise ValueError(
            f"`depth`={depth} needs blocks whose output is as large as their input, "
            f"and {teacher.name!r} has none. Pass depth=1."
        )
    return Trace(teacher, looser_rule_for, left_out(blocks, depth))


def refuse_teacher(teacher: Any) -> None:
    """Raise an error for a teacher whose layers cannot be read, in one sentence."""
    if not isinstance(teacher, keras.Model):
        raise TypeError(
            "`teacher` must be a keras.Model, not what holds one. "
            f"Received: {type(teacher).__name__}."
        )
    sequential = isinstance(teacher, keras.Sequential)
    if not sequential and not hasattr(teacher, "_nodes_by_depth"):
        raise ValueError(
            f"`teacher` {teacher.name!r} is a subclassed {type(teacher).__name__}, and "
            "which layer reads which is in its code alone: a student is made from a "
            "functional or Sequential model."
        )
    if sequential and not teacher.built:
        raise ValueError(
            f"`teacher` {teacher.name!r} is not built: begin it with a keras.Input."
        )
    refuse_compressed(teacher, "Hand in strip(model).")


def portion(name: str, value: Any) -> float:
    """A float above 0, and at most 1."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if 0.0 < float(value) <= 1.0:
            return float(value)
    raise ValueError(
        f"`{name}` must be more than 0 and at most 1. Received: {name}={value!r}."
    )
