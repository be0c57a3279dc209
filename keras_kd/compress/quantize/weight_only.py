"""Models whose kernels alone are rounded: transformers, recurrent nets, four bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_kd.compress.kernels import Kernel, is_depthwise, kernels_of
from keras_kd.compress.quantize.affine import QuantizedAffine
from keras_kd.compress.quantize.int8_graph import folded_norms
from keras_kd.compress.quantize.kernel_quantizer import QuantizedKernel
from keras_kd.compress.rewrite import functional, is_model, replace_layers
from keras_kd.compress.weights import copy_of, core_of, with_transforms
from keras_kd.registration import register


@register
class WeightOnlyKernel(QuantizedKernel):
    """Rounds the kernels that the recipe of the same name will store in fewer bits.

    litert-quantizer leaves a lookup (an embedding is one in LiteRT) in floats, and
    with four bits depthwise and transposed convolutions as well: so does this.

    Args:
        mode: `"weight_only_int8"` or `"weight_only_int4"`.
        **kwargs: As `keras.layers.Layer` takes them.
    """

    def adopt(self, kernel: Kernel) -> None:
        """Find out whether this kernel is one to round."""
        self.rounds = is_stored(kernel, self.bits)
        super().adopt(kernel)

    def call(self, kernel: Any, training: bool | None = None) -> Any:
        """The kernel, rounded or as it is."""
        return super().call(kernel, training) if self.rounds else kernel


def is_stored(kernel: Kernel, bits: int) -> bool:
    """Whether litert-quantizer's weight-only recipe stores a kernel in few bits.

    Args:
        kernel: A `Kernel`.
        bits: Integer, 8 or 4.
    """
    if isinstance(kernel.layer, keras.layers.Embedding):
        return False
    transposed = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
    only_eight = is_depthwise(kernel.layer, kernel.variable) or isinstance(
        kernel.layer, transposed
    )
    return bits == 8 or not only_eight


def weight_only(model: keras.Model, mode: str) -> keras.Model:
    """A copy of a model with rounded kernels.

    Args:
        model: A built functional or Sequential model. It is not changed.
        mode: `"weight_only_int8"` or `"weight_only_int4"`.

    Returns:
        A functional model with the same names of layers, and weights of its own.
    """
    bits = WeightOnlyKernel(mode).bits
    apart = set(_set_apart(model))

    def replace(layer: Any) -> Any:
        if id(layer) in apart:
            return QuantizedAffine(copy_of(layer), [])
        kernels = kernels_of(core_of(layer))
        if not any(is_stored(kernel, bits) for kernel in kernels):
            return layer
        return with_transforms(layer, [WeightOnlyKernel(mode)])

    return replace_layers(model, replace)


def _set_apart(model: keras.Model) -> Iterator[int]:
    """The ids of batch normalizations that would change the kernel after them.

    Between two dense layers, where the first has an activation, the converter
    multiplies the second's kernel by the normalization's scales, input by input: its
    rows no longer lie on the grid. `QuantizedAffine` keeps them apart in the file.
    """
    graph = functional(model)
    folded = folded_norms(graph)
    for operation in graph.operations:
        if is_model(operation):
            yield from _set_apart(operation)
        elif type(operation) is keras.layers.BatchNormalization:
            if operation.input_spec.ndim == 2 and id(operation) not in folded:
                yield id(operation)
