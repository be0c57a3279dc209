"""The runtimes that clients are compared with, fed as a client would feed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Tensors = dict[str, tuple[dict[str, Any], np.ndarray]]


def run(path: Path, inputs: dict[str, np.ndarray]) -> tuple[Tensors, Tensors]:
    """Run a file over all examples.

    Args:
        path: A `.tflite` or `.onnx` file.
        inputs: Real-valued inputs by name, of one length.

    Returns:
        A pair, inputs and outputs by name: each a description (`shape`, `dtype`,
        `scale`, `zero_point`) and the raw values that entered or left the file.
    """
    return run_onnx(path, inputs) if path.suffix == ".onnx" else run_lite(path, inputs)


def run_lite(path: Path, inputs: dict[str, np.ndarray], **options: Any):
    """LiteRT on this machine, one example at a time, one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1, **options)
    interpreter.allocate_tensors()
    keys = list(interpreter.get_signature_list())
    runner = interpreter.get_signature_runner("serve" if "serve" in keys else keys[0])
    entering = {
        name: (describe(d), raw(inputs[name], *d["quantization"], d["dtype"]))
        for name, d in runner.get_input_details().items()
    }
    leaving = runner.get_output_details()
    count = len(next(iter(inputs.values())))
    results = []
    for i in range(count):
        fed = {name: values[i : i + 1] for name, (_, values) in entering.items()}
        results.append({name: array.copy() for name, array in runner(**fed).items()})
    return entering, {
        name: (describe(d), np.concatenate([result[name] for result in results]))
        for name, d in leaving.items()
    }


def run_onnx(path: Path, inputs: dict[str, np.ndarray]):
    """onnxruntime on this machine's CPU, one example at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    count = len(next(iter(inputs.values())))
    results = [
        session.run(None, {name: x[i : i + 1] for name, x in inputs.items()})
        for i in range(count)
    ]
    outputs = [np.concatenate(values) for values in zip(*results, strict=True)]
    names = [output.name for output in session.get_outputs()]
    return (
        {name: (plain(x), x) for name, x in inputs.items()},
        {name: (plain(x), x) for name, x in zip(names, outputs, strict=True)},
    )


def raw(values: np.ndarray, scale: float, zero_point: int, dtype: Any) -> np.ndarray:
    """Real numbers in the type of a file's input."""
    if not scale:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    steps = np.rint(values.astype("float64") / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def describe(details: dict[str, Any]) -> dict[str, Any]:
    """A tensor of an interpreter as the index has it."""
    scale, zero_point = details["quantization"]
    return {
        "shape": [int(size) for size in details["shape"]],
        "dtype": np.dtype(details["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def plain(array: np.ndarray) -> dict[str, Any]:
    """An unquantized tensor of one example."""
    shape = [1, *array.shape[1:]]
    return {"shape": shape, "dtype": array.dtype.name, "scale": 0.0, "zero_point": 0}
