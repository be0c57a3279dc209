"""An .onnx file in onnxruntime, by the names of its inputs and outputs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from keras_kd.export.errors import VerificationError
from keras_kd.export.onnx.optional import hushed, optional
from keras_kd.export.runtime import FileRunner

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(int32)": "int32",
    "tensor(uint32)": "uint32",
    "tensor(int64)": "int64",
    "tensor(uint64)": "uint64",
}
"""The types of tensors, as onnxruntime and as NumPy call them."""

ERRORS_ONLY = 3


class OnnxRunner(FileRunner):
    """Runs a file on batches of any size; the counterpart of `runtime.Runner`.

    Args:
        path: Path of an .onnx file.
        threads: Integer. Threads of the session. Defaults to `1`.

    Raises:
        ImportError: If onnxruntime is not installed.
        VerificationError: If the runtime refuses the file, or an input.

    Attributes:
        session: The `onnxruntime.InferenceSession`, on the CPU.
        inputs: Dict from name to a dict with `"name"`, `"shape"`,
            `"shape_signature"` (a dynamic size is 1 in the first and -1 in the
            second), `"dtype"` and `"quantization"`.
        outputs: The same of the outputs.

    Example:

    ```python
    export_onnx(model, "student.onnx")
    runner = OnnxRunner("student.onnx")
    runner({"x": np.zeros((8, 4), "float32")})  # {'dense': array of shape (8, 2)}
    ```
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        runtime = optional("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        try:
            with hushed():
                self.session = runtime.InferenceSession(
                    os.fspath(path), options, providers=["CPUExecutionProvider"]
                )
        # onnxruntime's own exceptions have no common base but this.
        except Exception as error:
            raise VerificationError(
                f"onnxruntime refuses {os.fspath(path)!r}: {error}"
            ) from error
        self.inputs = {i.name: _details(i) for i in self.session.get_inputs()}
        self.outputs = {o.name: _details(o) for o in self.session.get_outputs()}

    def _invoke(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        fed = {
            name: self._filled(array).astype(self.inputs[name]["dtype"], copy=False)
            for name, array in batch.items()
        }
        try:
            results = self.session.run(list(self.outputs), fed)
        # onnxruntime's own exceptions have no common base but this.
        except Exception as error:
            sizes = {name: array.shape for name, array in fed.items()}
            raise VerificationError(
                f"The file fails on inputs of {sizes}: {error}"
            ) from error
        return dict(zip(self.outputs, results, strict=True))


def _details(end: Any) -> dict[str, Any]:
    """What the LiteRT interpreter would tell of an input or output."""
    sizes = [size if isinstance(size, int) else -1 for size in end.shape]
    return {
        "name": end.name,
        "shape": np.asarray([max(size, 1) for size in sizes], "int32"),
        "shape_signature": np.asarray(sizes, "int32"),
        "dtype": np.dtype(DTYPES.get(end.type, "object")).type,
        "quantization": (0.0, 0),
    }
