"""An int8 file from what TFMOT's quantization-aware training made."""

from __future__ import annotations

from typing import Any

from keras_kd.compress.tfmot.bridge import is_quantized
from keras_kd.compress.tfmot.load import quiet


def to_tflite(quantized: Any) -> bytes:
    """Convert a quantization-aware tf_keras model; no calibration data is needed.

    Args:
        quantized: A `tf_keras.Model` from `quantize_model`, trained.

    Returns:
        The bytes of a .tflite file with int8 inputs and outputs, for a batch of one.

    Raises:
        ValueError: If the model was not made by `quantize_model`.

    Example:

    ```python
    from keras_kd.compress import tfmot
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    content = tfmot.to_tflite(tfmot.quantize_model(small))
    len(content) < 4000  # True
    ```
    """
    import tensorflow as tf

    if not hasattr(quantized, "layers") or not is_quantized(quantized):
        raise ValueError(
            "`quantized` must come from quantize_model. "
            f"Received: {type(quantized).__name__}."
        )
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, tensor.name.split(":")[0])
        for tensor in quantized.inputs
    ]

    def infer(*inputs: Any) -> Any:
        given = inputs[0] if len(inputs) == 1 else list(inputs)
        return quantized(given, training=False)

    with quiet():
        concrete = tf.function(infer, autograph=False).get_concrete_function(*specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], quantized
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return converter.convert()
