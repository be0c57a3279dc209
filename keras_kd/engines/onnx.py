"""A model in onnxruntime: one session, which any number of threads may run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from keras_kd.engines.converted import ConvertedEngine, Run
from keras_kd.engines.inference import InferencePart


class OnnxEngine(ConvertedEngine):
    """Runs a model in onnxruntime, each call on one core.

    Args:
        model: a built `keras.Model`.

    Raises:
        ImportError: at the first batch, with the pip line, if the `onnx` extra is
            not installed.

    Example:

    ```python
    engine = OnnxEngine(model)
    engine(images, ["output"])["output"]
    ```
    """

    name = "onnx"

    def convert(self, part: InferencePart, rows: int) -> Run:
        from keras_kd.export import export_onnx
        from keras_kd.export.onnx.runtime import OnnxRunner

        with tempfile.TemporaryDirectory(prefix="keras_kd_") as folder:
            path = Path(folder, "teacher.onnx")
            export_onnx(part.model, path, batch_size=rows)
            runner = OnnxRunner(path)

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            found = runner({f"x_{i}": array for i, array in enumerate(arrays)})
            return [found[f"tap_{i}"] for i in range(len(found))]

        return run
