"""A .tflite file in the LiteRT interpreter, by the names of its signature."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_kd.export.errors import VerificationError
from keras_kd.export.quiet import quiet
from keras_kd.export.schema import MAIN
from keras_kd.validation import did_you_mean

ONLY = "serving_default"
"""The key of a signature that is alone in its file."""


def quantize(
    values: np.ndarray, scale: float, zero_point: int, dtype: Any
) -> np.ndarray:
    """Real numbers as steps of `scale`, rounded and clipped to the integer type."""
    limits = np.iinfo(dtype)
    steps = np.rint(np.asarray(values, "float64") / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def dequantize(steps: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The real numbers that the steps of a quantized tensor stand for."""
    return ((steps.astype("float64") - zero_point) * scale).astype("float32")


class FileRunner:
    """Runs a file on batches of any number of samples, whatever its own batch size.

    A subclass sets `inputs` and `outputs`, the details of each end by name as the
    LiteRT interpreter gives them, and `_invoke`, which runs one batch that fits.
    """

    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]

    @property
    def batch_size(self) -> int | None:
        """The file's batch size; None where it takes any."""
        details = next(iter(self.inputs.values()))
        signature = details["shape_signature"]
        size = int(signature[0] if len(signature) else details["shape"][0])
        return None if size < 0 else size

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run real-valued inputs of one length; returns real-valued outputs."""
        count = len(next(iter(batch.values())))
        size = self.batch_size or count
        parts = [
            self._invoke({name: array[i : i + size] for name, array in batch.items()})
            for i in range(0, count, size)
        ]
        return {
            name: np.concatenate([part[name] for part in parts])[:count]
            for name in self.outputs
        }

    def _invoke(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def _filled(self, array: np.ndarray) -> np.ndarray:
        """As many samples as the file takes: the first ones again where some lack."""
        if self.batch_size and len(array) < self.batch_size:
            return array[np.arange(self.batch_size) % len(array)]
        return array


class Runner(FileRunner):
    """Runs a file on batches of any size, in real numbers.

    Args:
        path: Path of a .tflite file.
        threads: Integer. Threads of the interpreter. Defaults to `1`.
        signature: String. Key of the signature to run. Defaults to the only one, or
            to `"serve"` where there are several.

    Raises:
        VerificationError: If the runtime refuses the file, or an input, or the file
            does not have that signature.

    Example:

    ```python
    export_tflite(model, "student.tflite")
    runner = Runner("student.tflite")
    runner({"x": np.zeros((8, 4), "float32")})  # {'dense': array of shape (8, 2)}
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int = 1,
        signature: str | None = None,
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet():
                self.interpreter = Interpreter(
                    model_path=os.fspath(path), num_threads=threads
                )
                # Sizes that are left open come with the first batch.
                if not _open_sizes(self.interpreter):
                    self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise VerificationError(
                f"LiteRT refuses {os.fspath(path)!r}: {error}"
            ) from error
        key = _chosen(list(self.interpreter.get_signature_list()), signature, path)
        self._run = self.interpreter.get_signature_runner(key)
        self.inputs: dict[str, dict[str, Any]] = self._run.get_input_details()
        self.outputs: dict[str, dict[str, Any]] = self._run.get_output_details()

    def _invoke(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        fed = {
            name: entering(self.inputs[name], self._filled(array))
            for name, array in batch.items()
        }
        try:
            results = self._run(**fed)
        except (RuntimeError, ValueError) as error:
            sizes = {name: array.shape for name, array in fed.items()}
            raise VerificationError(
                f"The file fails on inputs of {sizes}: {error}"
            ) from error
        return {
            name: leaving(self.outputs[name], array) for name, array in results.items()
        }


def _open_sizes(interpreter: Any) -> bool:
    """Whether the file leaves sizes of its inputs to the caller."""
    return any(
        (details["shape_signature"] < 0).any()
        for details in interpreter.get_input_details()
    )


def _chosen(keys: list[str], wanted: str | None, path: str | os.PathLike[str]) -> str:
    """The signature to run, of those in the file."""
    if wanted is None:
        wanted = keys[0] if len(keys) == 1 else MAIN
    if not keys:
        raise VerificationError(
            f"{os.fspath(path)!r} must have one signature that names its inputs and "
            "outputs. Received: none."
        )
    if wanted not in keys:
        raise VerificationError(
            f"{os.fspath(path)!r} has no signature {wanted!r}. Available: {keys}."
            f"{did_you_mean(wanted, keys)}"
        )
    return wanted


def entering(details: dict[str, Any], array: np.ndarray) -> np.ndarray:
    """An input as the file takes it: real numbers by the scale that it gives them."""
    scale, zero_point = details["quantization"]
    if scale and array.dtype.kind == "f":
        return quantize(array, scale, zero_point, details["dtype"])
    return array.astype(details["dtype"], copy=False)


def leaving(details: dict[str, Any], array: np.ndarray) -> np.ndarray:
    """An output in real numbers, by the scale that the file gives it."""
    scale, zero_point = details["quantization"]
    return dequantize(array, scale, zero_point) if scale else array


def describe(details: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Inputs or outputs as a report has them; a dynamic size is None."""
    described = []
    for name, detail in details.items():
        sizes = detail["shape_signature"]
        sizes = sizes if len(sizes) else detail["shape"]
        scale, zero_point = detail["quantization"]
        described.append(
            {
                "name": name,
                "shape": [None if size < 0 else int(size) for size in sizes],
                "dtype": np.dtype(detail["dtype"]).name,
                "scale": float(scale) or None,
                "zero_point": int(zero_point) if scale else None,
            }
        )
    return described
