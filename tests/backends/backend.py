"""Gradients and tracing in the words of whatever backend Keras runs on."""

from __future__ import annotations

import contextlib

import keras
import numpy as np

map_tensors = keras.tree.map_structure
numpy = keras.ops.convert_to_numpy
NAME = keras.backend.backend()


def tensors(structure):
    return map_tensors(keras.ops.convert_to_tensor, structure)


def value_and_gradients(function, inputs, jit=False):
    """`function(inputs)`, a scalar, and its gradient by each of the inputs.

    Args:
        function: of one argument, the inputs.
        inputs: list of arrays of real numbers, or lists of such.
        jit: bool, whether to compile; only JAX does.

    Returns:
        `(value, gradients)` in NumPy; a gradient is 0 where nothing depends on an
        input.
    """
    value, gradients = _OF_BACKEND[NAME](function, tensors(inputs), jit)
    return float(value), map_tensors(numpy, gradients)


def _jax(function, inputs, jit):
    import jax

    both = jax.value_and_grad(function)
    return (jax.jit(both) if jit else both)(inputs)


def _torch(function, inputs, jit):
    import torch

    with torch.enable_grad():
        inputs = map_tensors(lambda x: x.detach().requires_grad_(), inputs)
        flat = keras.tree.flatten(inputs)
        value = function(inputs)
        reached = [None] * len(flat)
        if value.requires_grad:
            reached = torch.autograd.grad(value, flat, allow_unused=True)
    zero_or = zip(flat, reached, strict=True)
    flat = [torch.zeros_like(x) if g is None else g for x, g in zero_or]
    return value, keras.tree.pack_sequence_as(inputs, flat)


def _tensorflow(function, inputs, jit):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(inputs)
    found = tape.gradient(value, inputs, unconnected_gradients="zero")
    return value, map_tensors(tf.convert_to_tensor, found)


_OF_BACKEND = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow}


def without_gradient():
    """A context in which nothing is recorded: PyTorch's tensors become arrays."""
    if NAME != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def values_of(row, teacher, student, examples=slice(None), **kwargs):
    """As the contract's own: the loss of each example."""
    loss = row.make(reduction=None)
    return numpy(loss(row.targets(teacher, examples), student, **kwargs))


def gradient_of(row, teacher, student, jit=False, **kwargs):
    """As the contract's own: the sum over the batch, its gradient by the student."""
    loss = row.make(reduction="sum")
    return value_and_gradients(
        lambda x: loss(row.targets(teacher), x, **kwargs), student, jit
    )


def set_weights(layer, weights):
    """Those of another backend, in the order in which the layer has them."""
    for variable, value in zip(layer.weights, weights, strict=True):
        variable.assign(np.asarray(value))
