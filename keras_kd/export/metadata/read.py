"""Metadata read back from a file, whoever wrote it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any

from keras_kd.export import schema
from keras_kd.export.metadata import tables
from keras_kd.export.metadata.embed import ENTRY, OWN_ENTRY
from keras_kd.export.metadata.props import from_props
from keras_kd.export.metadata.text import read_vocabulary
from keras_kd.export.report import ExportResult, artifact_path

MAKERS = ("name", "description", "author", "license", "version")


def read_metadata(
    artifact: str | os.PathLike[str] | bytes | ExportResult,
) -> dict[str, Any]:
    """Read what a .tflite or .onnx file says about itself.

    Args:
        artifact: Path of the file, its bytes, or an `ExportResult`.

    Returns:
        A dict of what is there: `"name"`, `"description"`, `"author"`,
        `"license"`, `"version"`, `"teacher"`, `"recipe"`; `"labels"`, a dict from
        output name to a list; `"mean"` and `"std"`, lists; `"tokenizer"`,
        `"delimiter"` and `"vocabulary"`. Empty for a file without metadata.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is neither .tflite nor .onnx.

    Example:

    ```python
    metadata = Metadata("Mine", labels=["cat", "dog"])
    export_tflite(model, "student.tflite", metadata=metadata)
    read_metadata("student.tflite")["labels"]  # {'logits': ['cat', 'dog']}
    ```
    """
    if isinstance(artifact, bytes):
        content, suffix = artifact, ".onnx"
    else:
        path = artifact_path(artifact)
        content, suffix = path.read_bytes(), path.suffix
    if content[4:8] == b"TFL3":
        return _of_tflite(content)
    if suffix == ".onnx":
        return _of_onnx(content)
    raise ValueError(
        f"`artifact` must be a .tflite or an .onnx file. Received: {artifact!r}."
    )


def associated_files(content: bytes) -> dict[str, bytes]:
    """The files in the ZIP at the end of a .tflite file; none without one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return {}


def _of_tflite(content: bytes) -> dict[str, Any]:
    model = schema.load(content)
    entries = {
        schema.text(entry.name): bytes(model.buffers[entry.buffer].data)
        for entry in model.metadata or []
        if model.buffers[entry.buffer].data is not None
    }
    if ENTRY not in entries:
        return {}
    table = tables.unpack(entries[ENTRY])
    files = associated_files(content)
    found = {key: table[key] for key in MAKERS if key in table}
    own = json.loads(entries.get(OWN_ENTRY, b"{}"))
    found |= {key: own[key] for key in ("teacher", "recipe") if key in own}
    for graph in table.get("subgraph_metadata", []):
        units = list(graph.get("input_process_units", []))
        for tensor in graph.get("input_tensor_metadata", []):
            units += tensor.get("process_units", [])
        for unit in units:
            found |= _of_unit(unit, files)
        labels = {
            tensor.get("name", str(position)): files[file["name"]].decode().splitlines()
            for position, tensor in enumerate(graph.get("output_tensor_metadata", []))
            for file in tensor.get("associated_files", [])
            if file.get("type") == tables.AXIS_LABELS and file["name"] in files
        }
        found |= {"labels": labels} if labels else {}
    return found


def _of_unit(unit: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Normalisation or tokenizer, as `Metadata` calls them."""
    kind, options = unit.get("kind", 0), unit.get("options", {})
    if kind == tables.NORMALIZATION:
        return {key: options[key] for key in ("mean", "std") if key in options}
    if kind not in (tables.BERT, tables.REGEX):
        return {}
    regex = kind == tables.REGEX
    found: dict[str, Any] = {"tokenizer": "regex" if regex else "bert"}
    if regex:
        found["delimiter"] = options.get("delim_regex_pattern", "")
    for file in options.get("vocab_file", [])[:1]:
        if file["name"] in files:
            found["vocabulary"] = read_vocabulary(files[file["name"]], numbered=regex)
    return found


def _of_onnx(content: bytes) -> dict[str, Any]:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "Reading an .onnx file needs onnx: pip install 'keras-kd[onnx]'."
        ) from error
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ValueError(
            f"`artifact` is neither a .tflite nor an .onnx file: {error}."
        ) from error
    return from_props({entry.key: entry.value for entry in proto.metadata_props})
