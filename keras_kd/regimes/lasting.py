"""A student that goes on to learn: more classes, with what it knew."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_kd.compress.rewrite import functional, is_model, replace_layers
from keras_kd.probabilities import ends_in_probabilities
from keras_kd.taps import require_built
from keras_kd.validation import positive_int

SIZES = {
    keras.layers.Dense: "units",
    keras.layers.Conv1D: "filters",
    keras.layers.Conv2D: "filters",
}
"""The layers that a network may end in, and what says how many classes they have."""


def widened(student: keras.Model, classes: int, name: str | None = None) -> keras.Model:
    """A copy of a student with more classes, which answers as before on the old ones.

    The last layer gets further units, with weights as its initializers draw them; all
    else is copied. The old student is left as it is, to teach the new one by
    `methods.without_forgetting`.

    Args:
        student: a built functional or Sequential `keras.Model` with one output of
            logits, made by a `Dense`, `Conv1D` or `Conv2D`.
        classes: int, how many there are to be, the old ones included and first.
        name: str. Defaults to None: the student's.

    Returns:
        A functional `keras.Model` with weights of its own.

    Raises:
        ValueError: where the student is subclassed, has several outputs, ends in a
            softmax or in another layer, or has as many classes already.

    Example:

    ```python
    wider = keras_kd.regimes.widened(teacher, classes=8)
    wider(images)[:, :5]  # as of the teacher, which has five
    ```
    """
    classes = positive_int("classes", classes)
    require_built(student)
    if not is_model(student):
        raise ValueError(
            f"`student` must be a functional or Sequential model. Received: "
            f"{student.name!r}, which is subclassed: what it computes is in its code."
        )
    head = _head(student)
    size = next((key for kind, key in SIZES.items() if type(head) is kind), None)
    if size is None or ends_in_probabilities(student, "output"):
        raise ValueError(
            "`student` must end in the logits of a Dense, Conv1D or Conv2D without a "
            f"softmax. Received: {student.name!r}, which ends in {head.name!r}, "
            f"a {type(head).__name__}."
        )
    known = getattr(head, size)
    if classes <= known:
        raise ValueError(
            f"`classes` must be more than the {known} of {student.name!r}. "
            f"Received: classes={classes}."
        )
    wider = _widened_layer(head, size, classes)
    return replace_layers(
        student, lambda layer: wider if layer is head else layer, name
    )


def _head(model: keras.Model) -> Any:
    """The layer that makes the output, past those that hand it on as it is."""
    outputs = keras.tree.flatten(functional(model)._outputs_struct)
    if len(outputs) != 1:
        raise ValueError(
            f"`student` must have one output. Received: {model.name!r}, which has "
            f"{len(outputs)}."
        )
    history = outputs[0]._keras_history
    while _hands_on(history.operation):
        node = history.operation._inbound_nodes[history.node_index]
        history = node.input_tensors[0]._keras_history
    last = history.operation
    return _head(last) if is_model(last) else last


def _hands_on(operation):
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.linear
    return isinstance(operation, keras.layers.Identity)


def _widened_layer(layer, size, classes):
    """A built layer of more units, whose first ones have the weights of `layer`."""
    wider = type(layer).from_config({**layer.get_config(), size: classes})
    wider.build_from_config(layer.get_build_config())
    for old, new in zip(layer.weights, wider.weights, strict=True):
        values = np.array(new)
        values[..., : old.shape[-1]] = np.array(old)
        new.assign(values)
    return wider
