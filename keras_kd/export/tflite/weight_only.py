"""Weights in 8 or 4 bits, computed in floats: what litert-quantizer is for."""

from __future__ import annotations

from keras_kd.export.errors import ExportError
from keras_kd.export.quiet import quiet
from keras_kd.export.recipes import Recipe

BITS = {"int8": 8, "int4": 4}


def quantize_weights(content: bytes, recipe: Recipe) -> bytes:
    """Store a float file's weights as integers, one scale per output channel.

    The scale is the largest magnitude's: litert-quantizer's default for
    activations, a moving average, does not concern weights, and nothing is
    calibrated.

    Args:
        content: The bytes of a float .tflite file.
        recipe: A `Recipe` with `weight_only`.

    Returns:
        The bytes of the new file.

    Raises:
        ImportError: If litert-quantizer is not installed.
        ExportError: If it fails.
    """
    try:
        with quiet():
            from litert_quantizer import algorithm_manager, qtyping, quantizer
    except ImportError as error:
        raise ImportError(
            f"recipe={recipe.name!r} needs litert-quantizer: "
            "pip install 'keras-kd[quantizer]'."
        ) from error
    try:
        with quiet():
            worker = quantizer.Quantizer(bytearray(content))
            worker.add_weight_only_config(
                ".*",
                qtyping.TFLOperationName.ALL_SUPPORTED,
                BITS[recipe.weights],
                qtyping.QuantGranularity.CHANNELWISE,
                algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT,
            )
            return bytes(worker.quantize(enable_progress_report=False).quantized_model)
    except Exception as error:
        raise ExportError(f"litert-quantizer failed: {error}") from error
