"""The float32 file that a quantized one is held against."""

from __future__ import annotations

from pathlib import Path

import keras

from keras_kd.export.runners import open_runner
from keras_kd.export.tflite.export import export_tflite


def float_reference(model: keras.Model, like: Path, folder: Path) -> Path:
    """Export a model as float32, in the kind and batch size of a file.

    Args:
        model: The `keras.Model`.
        like: Path of a .tflite or .onnx file of the same model.
        folder: Path of a folder for it.

    Returns:
        Path of the new file.
    """
    target = folder / f"reference{like.suffix}"
    size = open_runner(like).batch_size
    if like.suffix == ".onnx":
        from keras_kd.export.onnx import export_onnx

        return export_onnx(model, target, "float32", batch_size=size).path
    return export_tflite(model, target, "float32", batch_size=size).path
