"""Metadata written into the bytes of a .tflite file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from keras_kd.export import schema
from keras_kd.export.metadata import tables
from keras_kd.export.metadata.card import Metadata
from keras_kd.export.metadata.tensors import (
    describe_inputs,
    describe_outputs,
    ends_of,
    main_subgraph,
    refuse_unfit,
)
from keras_kd.export.metadata.text import (
    parser_version,
    tokenizer_unit,
    vocabulary_file,
)
from keras_kd.export.packing import packed

ENTRY = "TFLITE_METADATA"
OWN_ENTRY = "keras_kd"
OWN_FILE = "keras_kd.json"


def embed(content: bytes, metadata: Metadata, recipe: str = "") -> bytes:
    """Write metadata into a .tflite file, in place of any that it has.

    Names, normalisation, labels and tokenizer are written as MediaPipe Tasks and
    Android Studio read them; teacher and recipe stand in an entry `keras_kd` and
    in the file `keras_kd.json` beside the labels. Weights and graph stay as they
    are.

    Args:
        content: The bytes of a .tflite file.
        metadata: The `Metadata`.
        recipe: String. The name of the recipe, where `metadata` gives none.
            Defaults to `""`.

    Returns:
        The bytes of the file with the metadata in it.

    Raises:
        TypeError: If `metadata` is not a `Metadata`.
        ValueError: If the metadata does not fit the file: another number of
            labels than classes, an unknown output, or no input for `mean` and
            `std` or the tokenizer.

    Warns:
        UserWarning: If the file takes uint8, and pixels handed in untouched, as
            MediaPipe does, would be other numbers than `mean` and `std` say.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    named = embed(result.path.read_bytes(), Metadata("Mine", teacher="ResNet-50"))
    read_metadata(named)["teacher"]  # 'ResNet-50'
    ```
    """
    if not isinstance(metadata, Metadata):
        raise TypeError(
            f"`metadata` must be a Metadata. Received: {type(metadata).__name__}."
        )
    model = schema.load(content)
    own = {**metadata.to_dict(), "recipe": metadata.recipe or recipe}
    own = {key: value for key, value in own.items() if value != ""}
    own_json = (json.dumps(own, indent=2) + "\n").encode()
    described, files = describe(model, metadata)
    _set_entries(model, {ENTRY: tables.pack(described), OWN_ENTRY: own_json})
    file = packed(model)
    return file + _archive({**files, OWN_FILE: own_json}, offset=len(file))


def describe(model: Any, metadata: Metadata) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The `ModelMetadata` table of a file, and the files that it names."""
    main = main_subgraph(model)
    named = {int(s.subgraphIndex or 0) for s in model.signatureDefs or []} | {main}
    graphs: list[dict[str, Any]] = []
    files = vocabulary_file(metadata)
    refuse_unfit(metadata, ends_of(model, main)[0])
    # A subgraph is known by its place; those of loops and branches have no entry.
    for number in range(max(named) + 1):
        graph: dict[str, Any] = {}
        if number in named:
            inputs, outputs = ends_of(model, number)
            labels = metadata.labels if number == main else None
            described, more = describe_outputs(model, number, labels, outputs)
            files |= more
            graph = {
                "name": metadata.name if number == main else None,
                "input_tensor_metadata": describe_inputs(metadata, inputs),
                "output_tensor_metadata": described,
            }
            if metadata.tokenizer == "bert":
                graph["input_process_units"] = [tokenizer_unit(metadata)]
        graphs.append(graph)
    table = {
        "name": metadata.name,
        "description": metadata.description,
        "version": metadata.version,
        "author": metadata.author,
        "license": metadata.license,
        "subgraph_metadata": graphs,
        "associated_files": [
            {
                "name": OWN_FILE,
                "description": "The student's teacher, recipe and makers, as JSON.",
                "type": tables.DESCRIPTIONS,
            }
        ],
        "min_parser_version": parser_version(metadata),
    }
    return table, files


def _set_entries(model: Any, entries: Mapping[str, bytes]) -> None:
    """Put bytes into the model's buffers, by the name of a metadata entry."""
    import numpy as np
    from ai_edge_litert import schema_py_generated as generated

    model.metadata = list(model.metadata or [])
    known = {schema.text(entry.name): entry for entry in model.metadata}
    for name, value in entries.items():
        if name not in known:
            known[name] = generated.MetadataT()
            known[name].name = name
            known[name].buffer = len(model.buffers)
            model.buffers.append(generated.BufferT())
            model.metadata.append(known[name])
        model.buffers[known[name].buffer].data = np.frombuffer(value, "uint8")


def _archive(files: Mapping[str, bytes], offset: int) -> bytes:
    """A ZIP of files, stored, whose places count from `offset` bytes before it."""
    stream = io.BytesIO()
    stream.write(bytes(offset))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, value in sorted(files.items()):
            # A date of its own would make two equal exports differ.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), value)
    return stream.getvalue()[offset:]
