"""A .tflite file for TensorFlow Lite for Microcontrollers, as C++."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import re
from pathlib import Path

from keras_kd.export import schema
from keras_kd.export.errors import ExportError
from keras_kd.export.metadata.tensors import Tensor, ends_of
from keras_kd.export.micro.fit import arena_estimate, unsuitable
from keras_kd.files import written_together

METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
"""Methods of its resolver that do not follow from the operator's name."""

C_TYPES = {
    "FLOAT32": "float",
    "INT8": "std::int8_t",
    "UINT8": "std::uint8_t",
    "INT16": "std::int16_t",
    "INT32": "std::int32_t",
}


@dataclasses.dataclass(frozen=True)
class MicroModel:
    """What a program on a microcontroller must know of a file.

    Attributes:
        content: The bytes of the file.
        operators: The schema's names of its operators, sorted.
        inputs: Its inputs: `name`, `type`, `shape`, `scale`, `zero_point`.
        outputs: Its outputs.
        arena_bytes: Memory for `MicroInterpreter`, as an upper estimate for the
            reference kernels.
    """

    content: bytes
    operators: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    arena_bytes: int


def describe(artifact: str | os.PathLike[str] | bytes) -> MicroModel:
    """Read what a program needs to know; refuse what TFLite-Micro would.

    Args:
        artifact: Path of a .tflite file, or its bytes.

    Returns:
        A `MicroModel`.

    Raises:
        ValueError: If it is not a TFLite file.
        ExportError: If TFLite-Micro refuses the file or computes it wrongly.

    Example:

    ```python
    result = export_tflite(model, "student.tflite", "int8", x)
    describe(result.path).operators  # ('CONV_2D', 'FULLY_CONNECTED', …)
    ```
    """
    content = artifact if isinstance(artifact, bytes) else Path(artifact).read_bytes()
    model = schema.load(content)
    reason = unsuitable(model)
    if reason is not None:
        raise ExportError(f"TFLite-Micro cannot run the file: {reason}")
    inputs, outputs = ends_of(model, 0)
    return MicroModel(
        content,
        tuple(schema.operators(model)),
        tuple(inputs),
        tuple(outputs),
        arena_estimate(model),
    )


def resolver_method(operator: str) -> str:
    """`CONV_2D` → `AddConv2D`: the method that makes an operator known.

    Example:

    ```python
    resolver_method("DEPTHWISE_CONV_2D")  # 'AddDepthwiseConv2D'
    ```
    """
    words = (w if w == "2D" else w.capitalize() for w in operator.split("_"))
    return METHODS.get(operator, "Add" + "".join(words))


def to_c(
    artifact: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> tuple[Path, Path]:
    """Write a file as C++: the bytes as an array, and what is to be known of them.

    Args:
        artifact: Path of a .tflite file.
        folder: Folder for `model_data.h` and `model_data.cc`. It is made.
        overwrite: Boolean. Whether those may be replaced. Defaults to `False`.

    Returns:
        A pair: the paths of the header and of the source.

    Raises:
        ValueError: If `artifact` is not a TFLite file.
        FileExistsError: If a file is there and `overwrite` is False.
        ExportError: If TFLite-Micro cannot run the file.

    Example:

    ```python
    export_tflite(model, "student.tflite", "int8", x)
    header, source = to_c("student.tflite", "firmware")
    ```
    """
    model = describe(artifact)
    header, source = (Path(folder) / f"model_data.{end}" for end in ("h", "cc"))
    for path in (header, source):
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"`folder` has the file already: {str(path)!r}. Pass overwrite=True "
                "to replace it."
            )
    with written_together() as write:
        write(header, header_text(model, Path(artifact).name).encode())
        write(source, source_text(model.content).encode())
    return header, source


def header_text(model: MicroModel, name: str) -> str:
    """The header: sizes, scales and names as constants, operators as a function."""
    digest = hashlib.sha256(model.content).hexdigest()
    calls = " &&\n         ".join(
        f"resolver.{resolver_method(name)}() == 0" for name in model.operators
    )
    ends = [
        "\n".join(_constants(kind, number, tensor))
        for kind, tensors in (("input", model.inputs), ("output", model.outputs))
        for number, tensor in enumerate(tensors)
    ]
    return f"""// {_comment(name)}: {len(model.content)} bytes, sha256
// {digest}
// Written by keras_kd.export.micro: change the student, not this file.
#ifndef MODEL_DATA_H_
#define MODEL_DATA_H_

#include <cstddef>
#include <cstdint>

extern const unsigned char model_data[];
constexpr std::size_t model_data_size = {len(model.content)};

// Memory for MicroInterpreter: an upper estimate for the reference kernels. After
// AllocateTensors(), arena_used_bytes() tells what your build took.
constexpr std::size_t model_arena_size = {model.arena_bytes};

{chr(10).join(ends)}
// The operators of the file; no other needs flash.
constexpr unsigned int model_operators = {len(model.operators)};

template <typename Resolver>
bool model_add_operators(Resolver& resolver) {{
  return {calls};
}}

#endif  // MODEL_DATA_H_
"""


def source_text(content: bytes) -> str:
    """The source: the bytes of the file, aligned as a flatbuffer wants them."""
    rows = (
        ", ".join(f"0x{byte:02x}" for byte in content[i : i + 12])
        for i in range(0, len(content), 12)
    )
    body = ",\n    ".join(rows)
    return f"""#include "model_data.h"

alignas(16) const unsigned char model_data[model_data_size] = {{
    {body}}};
"""


def _constants(kind: str, number: int, tensor: Tensor) -> list[str]:
    """The constants of one input or output."""
    prefix = f"{kind}_{number}"
    shape = "×".join(str(size) for size in tensor.shape)
    elements = math.prod(size or 1 for size in tensor.shape)
    lines = [
        f"// {_comment(tensor.name)}, {shape}",
        f"using {prefix}_type = {C_TYPES.get(tensor.type, 'std::uint8_t')};",
        f'constexpr char {prefix}_name[] = "{_comment(tensor.name)}";',
        f"constexpr int {prefix}_size = {elements};",
    ]
    if tensor.scale:
        lines += [
            "// real number = (value - zero point) * scale",
            f"constexpr float {prefix}_scale = {tensor.scale!r}f;",
            f"constexpr int {prefix}_zero_point = {tensor.zero_point};",
        ]
    return [*lines, ""]


def _comment(name: str) -> str:
    """A name without what would end a comment or a string."""
    return re.sub(r"[^\w .:/-]", "_", name, flags=re.ASCII)
