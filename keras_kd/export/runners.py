"""The runtime that fits a file, by its suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_kd.export.runtime import Runner


def open_runner(path: Path, threads: int = 1, signature: str | None = None) -> Any:
    """Load a file where it is going to run.

    Args:
        path: Path of a .tflite or .onnx file.
        threads: Integer. Defaults to `1`.
        signature: String. The signature of a .tflite file that has several. Defaults
            to `None`: its only one, or `"serve"`.

    Returns:
        A `Runner`, or the `OnnxRunner` of `keras_kd.export.onnx`: a function of a
        batch by input name, with `inputs`, `outputs` and `batch_size`.

    Raises:
        VerificationError: If the runtime refuses the file.
        ValueError: If `signature` is given for an ONNX file.
    """
    if path.suffix == ".onnx":
        if signature is not None:
            raise ValueError(
                "`signature` is for .tflite files, an ONNX file has none. "
                f"Received: {signature!r}."
            )
        from keras_kd.export.onnx.runtime import OnnxRunner

        return OnnxRunner(path, threads)
    if signature is None:
        return Runner(path, threads)
    return Runner(path, threads, signature)
